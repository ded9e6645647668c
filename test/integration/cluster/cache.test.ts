import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Backup, listBackups } from '../../../src/backup/catalog.ts';
import { formatWaleTable } from '../../../src/backup/catalog-wale.ts';
import { readBackupCache, writeBackupCache } from '../../../src/cluster/backup-cache.ts';
import { listMembers, publishMember } from '../../../src/cluster/members.ts';
import { listRuns, type RunRecord, readRun, writeRun } from '../../../src/cluster/runs.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { openFolderStore } from '../../../src/store/folder.ts';
import { startEtcd, type TestEtcd } from '../../support/etcd.ts';
import { openTestClient, type TestClient } from '../../support/etcd-client.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { SAMPLE } from '../sample.ts';

const signal = new AbortController().signal;
const MINUTE = 60_000;
let server: TestEtcd;
let client: TestClient;
let backups: Backup[];
let events: PgarcEvent[];
let count = 0;
const cache = () => ({ ...client, emit: (event: PgarcEvent) => void events.push(event) });
const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);

beforeAll(async () => {
  server = await startEtcd();
  backups = await listBackups(
    openFolderStore(SAMPLE, () => undefined),
    signal,
  );
});
beforeEach(async () => {
  events = [];
  client = await openTestClient(server.env(`cache-${count++}`));
});

describe('the list', () => {
  it('that is still the same is not written again, but its time is', async () => {
    const { etcd, keys } = client;
    expect(await writeBackupCache(cache(), { backups, readAt: at(0) }, signal)).toBe('written');
    const before = await etcd.get(keys.backups, signal);
    const table = await etcd.get(keys.waleBackupList, signal);
    for (const minutes of [5, 10]) {
      const readAt = at(minutes * MINUTE);
      expect(await writeBackupCache(cache(), { backups, readAt }, signal)).toBe('confirmed');
      expect(await readBackupCache(cache(), signal)).toEqual({ backups, readAt, omitted: 0 });
    }
    // Several nodes at the same time write nothing at all.
    const time = await etcd.get(keys.backupsRead, signal);
    await writeBackupCache(cache(), { backups, readAt: at(10 * MINUTE + 1000) }, signal);
    expect(await etcd.get(keys.backupsRead, signal)).toEqual(time);
    expect(await etcd.get(keys.backups, signal)).toEqual(before);
    expect(await etcd.get(keys.waleBackupList, signal)).toEqual(table);

    const fewer = backups.slice(1);
    expect(await writeBackupCache(cache(), { backups: fewer, readAt: at(11 * MINUTE) }, signal)).toBe(
      'written',
    );
    expect((await readBackupCache(cache(), signal))?.readAt).toEqual(at(11 * MINUTE));
    expect(events).toEqual([]);
  });

  it('is not replaced by one that was read before it', async () => {
    await writeBackupCache(cache(), { backups, readAt: at(MINUTE) }, signal);
    expect(await writeBackupCache(cache(), { backups: [], readAt: at(0) }, signal)).toBe('newer');
    expect((await readBackupCache(cache(), signal))?.backups).toEqual(backups);
  });

  it('of a clock that was far ahead is replaced', async () => {
    await writeBackupCache(cache(), { backups, readAt: new Date(Date.now() + 60 * MINUTE) }, signal);
    expect(await writeBackupCache(cache(), { backups: [], readAt: new Date() }, signal)).toBe('written');
  });

  it('is one list in both forms, whoever else writes', async () => {
    const lists = Array.from({ length: 12 }, (_, index) => ({
      backups: backups.map((backup) => ({ ...backup, dataSize: 1000 + index })),
      readAt: at(index * MINUTE),
    }));
    await Promise.all(lists.map((list) => writeBackupCache(cache(), list, signal)));
    const last = lists.at(-1)!;
    expect(await readBackupCache(cache(), signal)).toEqual({ ...last, omitted: 0 });
    expect((await client.etcd.get(client.keys.waleBackupList, signal))?.value).toBe(
      formatWaleTable(last.backups),
    );
  });
});

describe('runs and members', () => {
  const run: RunRecord = {
    job: 'backup',
    scheduledFor: at(0).toISOString(),
    attempt: 1,
    node: 'a',
    state: 'running',
    startedAt: at(0).toISOString(),
  };

  it('one of many starts a run', async () => {
    const nodes = ['a', 'b', 'c', 'd', 'e'];
    const started = await Promise.all(
      nodes.map((node) => writeRun(client, { ...run, node }, undefined, signal)),
    );
    expect(started.filter(Boolean)).toHaveLength(1);
    const stored = (await readRun(client, 'backup', signal))!;
    const ended = await Promise.all(
      nodes.map((node) => writeRun(client, { ...run, node, state: 'ok' }, stored.revision, signal)),
    );
    expect(ended.filter(Boolean)).toHaveLength(1);
    expect((await listRuns(client, signal)).map(({ record }) => record.state)).toEqual(['ok']);
  });

  it('rubbish in a run’s place is none, and can be overwritten', async () => {
    await server.put(client.keys.run('retain'), 'rubbish');
    const found = (await readRun(client, 'retain', signal))!;
    expect(found.record).toBeUndefined();
    expect(await listRuns(client, signal)).toEqual([]);
    expect(await writeRun(client, { ...run, job: 'retain' }, found.revision, signal)).toBe(true);
  });

  it('members go with their lease', async () => {
    const { etcd, keys } = client;
    const lease = await etcd.grantLease(10_000, signal);
    const member = {
      node: 'a',
      role: 'primary' as const,
      lagBytes: null,
      lsn: '0/1',
      healthy: true,
      reason: null,
    };
    await publishMember(client, { ...member, at: at(0).toISOString() }, lease, signal);
    await server.put(keys.member('b'), 'rubbish');
    expect(await listMembers(client, signal)).toEqual([{ ...member, at: at(0).toISOString() }]);
    await etcd.revoke(lease, signal);
    expect(await listMembers(client, signal)).toEqual([]);
  });
});

it('an answer that is lost is no failure: what was written is found again', async () => {
  const proxy = await startFaultProxy(server.members[0]!.endpoint);
  const env = {
    ...server.env(`cache-${count}`),
    PGARC_ETCD_ENDPOINTS: `${proxy.endpoint},${server.endpoints}`,
  };
  const { etcd } = await openTestClient(env);
  proxy.add({ path: /\/v3\/kv\/txn/, fault: { kind: 'lose-answer' } });
  expect(await etcd.create('/service/lost', '1', {}, signal)).toBe(true);
  const other = await openTestClient(env);
  expect(await other.etcd.create('/service/lost', '2', {}, signal)).toBe(false);
  expect(proxy.requests.map(({ fault }) => fault)).toEqual(['lose-answer', 'lose-answer']);

  // Over a connection that was open before, the same member is asked again.
  const alone = await openTestClient({ ...env, PGARC_ETCD_ENDPOINTS: proxy.endpoint });
  await alone.etcd.get('/service/lost', signal);
  proxy.reset();
  proxy.add({ path: /\/v3\/kv\/txn/, times: 1, fault: { kind: 'lose-answer' } });
  expect(await alone.etcd.create('/service/again', '1', {}, signal)).toBe(true);
  expect(proxy.requests.map(({ fault }) => fault)).toEqual(['lose-answer', 'pass']);
});
