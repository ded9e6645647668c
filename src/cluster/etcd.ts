import type { Settings } from '../config/settings.ts';
import type { Emit } from '../report/events.ts';
import { parseEndpoints } from './endpoint.ts';
import { Gateway, isEtcdReason } from './gateway.ts';
import { EtcdHealth } from './health.ts';
import { readTlsFiles } from './tls.ts';

/** A key as etcd holds it. Revisions are decimal numbers of 64 bits, as text. */
export interface KeyValue {
  key: string;
  value: string;
  createRevision: string;
  /** Of the last change: what `replace` compares. */
  modRevision: string;
  /** Id of the lease it goes with; undefined for none. */
  lease: string | undefined;
}

export interface WriteOptions {
  /** The key goes when this lease ends. */
  lease?: string | undefined;
}

export interface LeaseOptions {
  /** Deadline of one request to one member, ms; the setting's where none is given. */
  timeout?: number | undefined;
}

/** A view of etcd at one moment. */
export interface Reading {
  found: KeyValue | undefined;
  /** etcd's term of leadership in which it was read. */
  term: string;
}

/**
 * etcd, as pgarc uses it. Every read sees all writes before it (linearizable). Each request has the deadline
 * `etcd-timeout` for one member, and goes on to the next member when one does not answer. All functions throw
 * PgarcError `etcd-unreachable` (its `details.reason` is a FailureKind), or the signal's reason.
 */
export interface Etcd {
  /** The members by name, for messages: `http://10.0.0.1:2379, http://10.0.0.2:2379`. */
  readonly location: string;
  get(key: string, signal: AbortSignal): Promise<KeyValue | undefined>;
  /** `get`, with etcd's term. */
  read(key: string, signal: AbortSignal, options?: LeaseOptions): Promise<Reading>;
  /** All keys that begin with `prefix`, in order of keys, as of one moment. */
  list(prefix: string, signal: AbortSignal): Promise<KeyValue[]>;
  /** @throws PgarcError `failed` when the lease is gone, retryable */
  put(key: string, value: string, options: WriteOptions, signal: AbortSignal): Promise<void>;
  /**
   * Writes a key only when there is none. A repeat of its own lost answer counts as written.
   * @returns whether it was written
   */
  create(key: string, value: string, options: WriteOptions, signal: AbortSignal): Promise<boolean>;
  /** Writes a key only when it was not changed since `modRevision`. @returns whether it was written */
  replace(
    key: string,
    value: string,
    modRevision: string,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Removes a key; with `modRevision` only when it was not changed since. @returns whether it did */
  remove(key: string, signal: AbortSignal, modRevision?: string): Promise<boolean>;
  /** @returns the id of a new lease of so many ms, rounded up to whole seconds */
  grantLease(ttlMs: number, signal: AbortSignal): Promise<string>;
  /** Makes a lease last its time from now on. @returns etcd's term, or undefined when the lease is gone */
  keepAlive(lease: string, signal: AbortSignal, options?: LeaseOptions): Promise<string | undefined>;
  /** Ends a lease; its keys go with it. One that is gone already is not an error. */
  revoke(lease: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * The etcd of the settings; no request is sent yet.
 * @param emit hears once when etcd goes and once when it is back
 * @returns undefined when the settings name no etcd or no scope
 * @throws PgarcError `setting-invalid` for endpoints or files that cannot be used
 */
export function openEtcd(settings: Settings, emit?: Emit): Etcd | undefined {
  if (settings.etcdEndpoints.length === 0 || settings.scope === undefined) return undefined;
  const withTls = settings.etcdCaFile !== undefined || settings.etcdCertFile !== undefined;
  const endpoints = parseEndpoints(settings.etcdEndpoints, withTls);
  const gateway = new Gateway({
    endpoints,
    user: settings.etcdUser,
    password: settings.etcdPassword,
    tls: readTlsFiles(settings),
    timeout: settings.etcdTimeout,
  });
  const location = endpoints.map(({ name }) => name).join(', ');
  return createEtcd(gateway, location, emit === undefined ? undefined : new EtcdHealth(emit));
}

interface RawKeyValue {
  key: string;
  value?: string;
  create_revision?: string;
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

function createEtcd(gateway: Gateway, location: string, health: EtcdHealth | undefined): Etcd {
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
    createRevision: raw.create_revision ?? '0',
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
