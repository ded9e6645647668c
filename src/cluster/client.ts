import type { Etcd, KeyValue, LeaseOptions, Reading, WriteOptions } from './etcd.ts';
import { type Gateway, isEtcdReason } from './gateway.ts';
import type { EtcdHealth } from './health.ts';

interface RawKeyValue {
  key: string;
  value?: string;
  mod_revision?: string;
  lease?: string;
}

interface RawAnswer {
  header?: { raft_term?: string; revision?: string };
  kvs?: RawKeyValue[];
  succeeded?: boolean;
  deleted?: string;
  responses?: { response_range?: { kvs?: RawKeyValue[] } }[];
  ID?: string;
  TTL?: string;
}

/** etcd's functions in terms of its JSON; `health` hears how each call ended. */
export function createEtcd(gateway: Gateway, location: string, health: EtcdHealth | undefined): Etcd {
  async function call(
    path: string,
    body: object,
    signal: AbortSignal,
    { isWrite = false, timeout }: { isWrite?: boolean; timeout?: number | undefined } = {},
  ): Promise<{ body: RawAnswer; isRepeat: boolean }> {
    const known = health?.revision ?? 0n;
    try {
      const answer: { body: RawAnswer; isRepeat: boolean } = await gateway.call(path, body, signal, {
        timeout,
      });
      health?.noteSuccess(isWrite);
      // Answers about leases do not come through the quorum.
      const revision = path.startsWith('/v3/kv/') ? answer.body.header?.revision : undefined;
      if (revision !== undefined) health?.noteRevision(BigInt(revision), known);
      return answer;
    } catch (error) {
      health?.noteFailure(error);
      throw error;
    }
  }

  /** Writes when the comparison holds, else reads what is there: our own bytes after a lost answer count. */
  async function putIf(
    compare: object,
    key: string,
    value: string,
    { lease }: WriteOptions,
    signal: AbortSignal,
  ): Promise<boolean> {
    const request = {
      compare: [compare],
      success: [{ request_put: { key: encode(key), value: encode(value), ...withLease(lease) } }],
      failure: [{ request_range: { key: encode(key) } }],
    };
    const { body, isRepeat } = await call('/v3/kv/txn', request, signal, { isWrite: true });
    if (body.succeeded === true) return true;
    const found = body.responses?.[0]?.response_range?.kvs?.[0];
    return isRepeat && found !== undefined && found.value === encode(value) && found.lease === lease;
  }

  async function read(key: string, signal: AbortSignal, options: LeaseOptions = {}): Promise<Reading> {
    const { body } = await call('/v3/kv/range', { key: encode(key) }, signal, options);
    const [found] = body.kvs ?? [];
    return { found: found && parse(found), term: body.header?.raft_term ?? '0' };
  }

  return {
    location,
    read,
    get: async (key, signal) => (await read(key, signal)).found,
    async list(prefix, signal) {
      const request = { key: encode(prefix), range_end: encodeEnd(prefix) };
      const { body } = await call('/v3/kv/range', request, signal);
      return (body.kvs ?? []).map(parse);
    },
    async put(key, value, { lease }, signal) {
      const request = { key: encode(key), value: encode(value), ...withLease(lease) };
      await call('/v3/kv/put', request, signal, { isWrite: true });
    },
    create: (key, value, options, signal) =>
      putIf({ key: encode(key), target: 'CREATE', create_revision: '0' }, key, value, options, signal),
    replace: (key, value, modRevision, options, signal) =>
      putIf({ key: encode(key), target: 'MOD', mod_revision: modRevision }, key, value, options, signal),
    async remove(key, signal, modRevision) {
      if (modRevision === undefined) {
        const { body } = await call('/v3/kv/deleterange', { key: encode(key) }, signal);
        return Number(body.deleted ?? 0) > 0;
      }
      const request = {
        compare: [{ key: encode(key), target: 'MOD', mod_revision: modRevision }],
        success: [{ request_delete_range: { key: encode(key) } }],
      };
      return (await call('/v3/kv/txn', request, signal)).body.succeeded === true;
    },
    async grantLease(ttlMs, signal) {
      const { body } = await call('/v3/lease/grant', { TTL: String(Math.ceil(ttlMs / 1000)) }, signal, {
        isWrite: true,
      });
      return body.ID!;
    },
    async keepAlive(lease, signal, options = {}) {
      const { body } = await call('/v3/lease/keepalive', { ID: lease }, signal, options);
      return Number(body.TTL ?? 0) > 0 ? (body.header?.raft_term ?? '0') : undefined;
    },
    async revoke(lease, signal) {
      try {
        await call('/v3/lease/revoke', { ID: lease }, signal);
      } catch (error) {
        if (!isEtcdReason(error, 'lease')) throw error;
      }
    },
    close: () => gateway.close(),
  };
}

function withLease(lease: string | undefined): { lease?: string } {
  return lease === undefined ? {} : { lease };
}

function parse(raw: RawKeyValue): KeyValue {
  return {
    key: decode(raw.key),
    value: decode(raw.value ?? ''),
    modRevision: raw.mod_revision ?? '0',
    lease: raw.lease,
  };
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** The first key after all that begin with `prefix`: keys of pgarc end in ASCII, so no carry. */
function encodeEnd(prefix: string): string {
  const end = Buffer.from(prefix, 'utf8');
  end[end.length - 1]! += 1;
  return end.toString('base64');
}
