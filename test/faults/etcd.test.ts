import { beforeEach, describe, expect, it } from 'vitest';
import { readBackupCache, writeBackupCache } from '../../src/cluster/backup-cache.ts';
import { joinElection, readLeader } from '../../src/cluster/leadership.ts';
import { holdLease } from '../../src/cluster/lease.ts';
import { acquireLock } from '../../src/cluster/lock.ts';
import type { PgarcEvent } from '../../src/report/events.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { openTestClient, type TestClient } from '../support/etcd-client.ts';
import { waitFor } from '../support/wait.ts';

const signal = new AbortController().signal;
const LEASE = 6000;

const onEtcd = (event: PgarcEvent) => event.type === 'etcdDown' || event.type === 'etcdUp';

async function open(server: TestEtcd, scope: string) {
  const events: PgarcEvent[] = [];
  const env = { ...server.env(scope), PGARC_ETCD_TIMEOUT: '1s' };
  const client = await openTestClient(env, (event) => events.push(event));
  return { ...client, events, deps: (node: string) => ({ ...client, node }) };
}

function lossOf(lost: AbortSignal): Promise<unknown> {
  if (lost.aborted) return Promise.resolve(lost.reason);
  return new Promise((resolve) => lost.addEventListener('abort', () => resolve(lost.reason), { once: true }));
}

describe('three members', () => {
  let server: TestEtcd;
  let count = 0;
  let scope: string;

  beforeEach(async () => {
    server ??= await startEtcd({ members: 3 });
    scope = `scope-${count++}`;
  });

  it('serve on when one is gone, whichever the client asked last', async () => {
    const { etcd, keys, events } = await open(server, scope);
    for (const member of server.members) {
      await etcd.put(keys.backups, member.name, {}, signal);
      await member.kill();
      // The others may have to choose a leader first.
      await waitFor(async () => (await etcd.get(keys.backups, signal))?.value === member.name);
      await member.start();
      await server.ready();
    }
    expect(events.filter(({ type }) => type === 'etcdWiped')).toEqual([]);
  });

  it('without a quorum nothing is read, no lock is given, and one held is lost in time', async () => {
    const { etcd, keys, events, deps } = await open(server, scope);
    const lock = await acquireLock(deps('a'), 'backup', { ttl: LEASE }, signal);
    const [, second, third] = server.members;
    await Promise.all([second!.kill(), third!.kill()]);
    const began = performance.now();
    const error = await lossOf(lock.lost);
    // By the lease's end another could have it.
    expect(performance.now() - began).toBeLessThan(LEASE);
    expect(error).toMatchObject({ code: 'etcd-unreachable', retryable: true });
    await expect(lock.assertHeld(signal)).rejects.toBe(error);
    await expect(acquireLock(deps('b'), 'backup', { ttl: LEASE }, signal)).rejects.toMatchObject({
      code: 'etcd-unreachable',
      message: expect.stringMatching(/no quorum|no leader/),
    });
    await waitFor(async () => {
      await etcd.get(keys.leader, signal).catch(() => undefined);
      return events.some(onEtcd);
    });
    await second!.start();
    await third!.start();
    await server.ready();
    // The lease in etcd may outlive the quorum's absence by its whole time.
    const next = await waitFor(() => acquireLock(deps('b'), 'backup', { ttl: LEASE }, signal), {
      timeout: 60_000,
    });
    await next.release();
    await lock.release();
    const told = events.filter(onEtcd).map(({ type }) => type);
    expect(told.slice(0, 2)).toEqual(['etcdDown', 'etcdUp']);
    expect(told.at(-1)).toBe('etcdUp');
  });

  it('that hang lose a holder its lock as well', async () => {
    const { deps } = await open(server, scope);
    const lock = await acquireLock(deps('a'), 'retain', { ttl: LEASE }, signal);
    for (const member of server.members) member.pause();
    expect(await lossOf(lock.lost)).toMatchObject({ code: 'etcd-unreachable' });
    for (const member of server.members) member.resume();
    await server.ready();
    await lock.release();
  });

  it('keep a lease through a change of leader', async () => {
    const { etcd, keys, deps } = await open(server, scope);
    const lock = await acquireLock(deps('a'), 'backup', { ttl: 15_000 }, signal);
    const leader = await server.leader();
    await leader.kill();
    await lock.assertHeld(signal);
    expect(lock.lost.aborted).toBe(false);
    await leader.start();
    await server.ready();
    await lock.release();
    expect(await etcd.get(keys.lock('backup'), signal)).toBeUndefined();
  });

  it('give the lead to another when the leader is gone', async () => {
    const { etcd, keys, deps } = await open(server, scope);
    const one = joinElection(deps('one'), { ttl: LEASE });
    const two = joinElection(deps('two'), { ttl: LEASE });
    expect(await one.campaign(signal)).toBe(true);
    expect(await two.campaign(signal)).toBe(false);
    expect(await readLeader({ etcd, keys }, signal)).toMatchObject({ node: 'one', pid: process.pid });
    const term = one.term!;
    await etcd.revoke((await etcd.get(keys.leader, signal))!.lease!, signal);
    await lossOf(term);
    expect(one.term).toBeUndefined();
    expect(await two.campaign(signal)).toBe(true);
    await two.resign();
    expect(await readLeader({ etcd, keys }, signal)).toBeUndefined();
    expect(await one.campaign(signal)).toBe(true);
    await one.resign();
  });
});

describe('a lease', () => {
  let server: TestEtcd;
  let client: TestClient;

  beforeEach(async () => {
    server ??= await startEtcd();
    client ??= await openTestClient(server.env('lease'));
  });

  it('that etcd revokes is lost', async () => {
    const lease = await holdLease(client.etcd, LEASE, signal);
    await server.ctl('lease', 'revoke', BigInt(lease.id).toString(16));
    expect(await lossOf(lease.lost)).toMatchObject({ code: 'failed', retryable: true });
    await lease.close();
  });

  it('is lost when its key goes, or is another’s', async () => {
    for (const spoil of [
      () => server.ctl('del', client.keys.lock('backup')),
      () => server.put(client.keys.lock('backup'), 'mine'),
    ]) {
      const lock = await acquireLock({ ...client, node: 'a' }, 'backup', { ttl: LEASE }, signal);
      await spoil();
      await expect(lock.assertHeld(signal)).rejects.toMatchObject({
        message: expect.stringContaining('the lock backup is lost'),
      });
      expect(lock.lost.aborted).toBe(true);
      await lock.release();
      await server.ctl('del', client.keys.lock('backup'));
    }
  });

  it('outlives its time while it is kept alive, and ends when it is closed', async () => {
    const { etcd, keys } = client;
    const lock = await acquireLock({ ...client, node: 'a' }, 'verify', { ttl: 3000 }, signal);
    const born = performance.now();
    await waitFor(() => performance.now() - born > 7000);
    await lock.assertHeld(signal);
    await lock.release();
    expect(await etcd.get(keys.lock('verify'), signal)).toBeUndefined();
  });
});

it('a wiped etcd: the lock is lost, the lead too, and the lists come back', async () => {
  const server = await startEtcd();
  const { etcd, keys, deps, events } = await open(server, 'wiped');
  const cache = { etcd, keys, emit: () => undefined };
  await writeBackupCache(cache, { backups: [], readAt: new Date() }, signal);
  const lock = await acquireLock(deps('a'), 'backup', { ttl: 20_000 }, signal);
  const election = joinElection(deps('a'), { ttl: 20_000 });
  await election.campaign(signal);
  const term = election.term!;
  await server.wipe();
  expect(await lossOf(lock.lost)).toMatchObject({ code: 'failed' });
  expect(await lossOf(term)).toMatchObject({ code: 'failed' });
  expect(await readBackupCache(cache, signal)).toBeUndefined();
  expect(await writeBackupCache(cache, { backups: [], readAt: new Date() }, signal)).toBe('written');
  expect(events.filter(({ type }) => type === 'etcdWiped')).toHaveLength(1);
  const again = await acquireLock(deps('b'), 'backup', { ttl: LEASE }, signal);
  await again.release();
  await lock.release();
  await election.resign();
});

it('a full etcd: told once, locks that are held stay, and all is well when it has room', async () => {
  const quota = 16 * 1024 * 1024;
  const server = await startEtcd({ quota });
  const { etcd, keys, events, deps } = await open(server, 'full');
  const lock = await acquireLock(deps('a'), 'backup', { ttl: LEASE }, signal);
  const page = 'x'.repeat(1_000_000);
  const fill = async () => {
    for (let round = 0; round < 40; round++) await etcd.put('/service/ballast', page, {}, signal);
  };
  await expect(fill()).rejects.toMatchObject({
    code: 'etcd-unreachable',
    message: expect.stringContaining('its space is used up'),
    details: { reason: 'full' },
  });
  await expect(acquireLock(deps('b'), 'retain', { ttl: LEASE }, signal)).rejects.toMatchObject({
    details: { reason: 'full' },
  });
  await lock.assertHeld(signal);
  expect(await etcd.get(keys.lock('backup'), signal)).toBeDefined();
  expect(events.filter(onEtcd).map(({ type }) => type)).toEqual(['etcdDown']);

  const { header } = JSON.parse(await server.ctl('get', 'any', '-w', 'json')) as {
    header: { revision: number };
  };
  await server.ctl('compact', String(header.revision));
  await server.ctl('defrag');
  await server.ctl('alarm', 'disarm');
  const other = await waitFor(() => acquireLock(deps('b'), 'retain', { ttl: LEASE }, signal));
  await other.release();
  await lock.release();
  expect(events.filter(onEtcd).map(({ type }) => type)).toEqual(['etcdDown', 'etcdUp']);
});
