import { beforeAll, describe, expect, test } from 'vitest';
import { metadataKey, partitionKey, sentinelKey } from '../../src/backup/format/keys.ts';
import { formatJson } from '../../src/json.ts';
import { walKey } from '../../src/wal/keys.ts';
import { formatSegmentName } from '../../src/wal/segment.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { readLedger, startLedger } from '../support/ledger.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { restore, startRestored } from '../support/restore.ts';
import { makeStore, STORE_KINDS, type TestStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';
import { makeSegment } from '../support/wal-segment.ts';

const SIZE = 2 ** 20;
const DAY = 86_400_000;

interface Report {
  backups: { name: string; keep: boolean; reasons: string[]; storedSize: number }[];
  wal: { timeline: number; first: string; last: string; segments: number; storedSize: number }[];
  unfinished: { name: string; objects: number }[];
  frees: { backups: number; objects: number; storedSize: number };
  warnings: string[];
  notes: string[];
  deleted: { backups: string[]; objects: number; refused: number } | null;
}

type Put = (key: string, body: Uint8Array) => Promise<void>;

/** One backup a day and ten segments between two; the last one was taken an hour ago. */
async function fill(put: Put, days: number, segments = 10): Promise<void> {
  // Of a segment no more than its first page is looked at.
  const { bytes } = makeSegment({ number: 2, size: SIZE });
  const page = bytes.subarray(0, 8192);
  const all: [string, Uint8Array][] = [];
  for (let number = 2n; number < 2 + days * segments; number++) {
    all.push([walKey(formatSegmentName({ timeline: 1, number }, SIZE), ''), page]);
  }
  for (let day = 0; day < days; day++) {
    const startLsn = BigInt((2 + day * segments) * SIZE) + 40n;
    const name = nameOf(day, segments);
    const time = new Date(Date.now() - 3_600_000 - (days - 1 - day) * DAY).toISOString();
    const sentinel = {
      LSN: startLsn,
      FinishLSN: startLsn + 1000n,
      PgVersion: 150000,
      SystemIdentifier: 7n,
      StartTime: time,
      FinishTime: time,
      CompressedSize: 3000,
      UncompressedSize: 9000,
    };
    for (const part of [1, 2, 3])
      all.push([partitionKey(name, `part_00${part}.tar.lz4`), Buffer.alloc(1000)]);
    all.push([metadataKey(name), Buffer.from('{"is_permanent":false}')]);
    all.push([sentinelKey(name), Buffer.from(formatJson(sentinel))]);
  }
  const queue = all.values();
  const work = async () => {
    for (const [key, body] of queue) await put(key, body);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

function nameOf(day: number, segments = 10): string {
  return `base_${formatSegmentName({ timeline: 1, number: BigInt(2 + day * segments) }, SIZE)}`;
}

describe.each(STORE_KINDS)('retain on a %s', (kind) => {
  let store: TestStore;

  async function retain(...args: string[]): Promise<{ code: number | null; report: Report }> {
    const { code, stdout, stderr } = await runPgarc(['retain', '--json', ...args], { env: store.env });
    if (stdout === '') throw new Error(stderr);
    return { code, report: JSON.parse(stdout) };
  }

  beforeAll(async () => {
    store = await makeStore(kind);
    await fill(store.write, 10);
    await store.write('wal_005/notes.txt', Buffer.from('mine'));
  });

  test('shows the plan and changes nothing, then deletes exactly that', async () => {
    const before = await store.keys();
    // The store got all of it just now, so nothing counts as older, whatever the sentinels say.
    const window = ['--keep-window', '1ms', '--keep-full', '4'];
    const table = await runPgarc(['retain', ...window], { env: store.env });
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^name +finished +keep or drop +reasons +size$/m);
    expect(table.stdout).toContain('anchor of the window');
    expect(table.stdout).toMatch(/--confirm would delete 6 backups and \d+ WAL segments: \d+ objects, /);
    expect(table.stderr).toContain('nothing was deleted; --confirm deletes');
    const { report: plan } = await retain(...window);
    expect(await store.keys()).toEqual(before);
    expect(plan.deleted).toBeNull();
    const dropped = plan.backups.filter(({ keep }) => !keep).map(({ name }) => name);
    expect(dropped).toEqual([0, 1, 2, 3, 4, 5].map((day) => nameOf(day)));

    const { code, report } = await retain(...window, '--confirm');
    expect(code).toBe(0);
    expect(report.deleted?.backups).toEqual(dropped);
    const after = await store.keys();
    const gone = before.filter((key) => !after.includes(key));
    expect(after.filter((key) => !before.includes(key))).toEqual([]);
    expect(gone).toHaveLength(plan.frees.objects);
    for (const key of gone) {
      const segment = /^wal_005\/([0-9A-F]{24})$/.exec(key)?.[1];
      const isPlanned =
        segment === undefined
          ? dropped.some((name) => key === sentinelKey(name) || key.startsWith(`basebackups_005/${name}/`))
          : plan.wal.some(({ first, last }) => segment >= first && segment <= last);
      expect(isPlanned, key).toBe(true);
    }

    const again = await retain(...window, '--confirm');
    expect(again.report.frees).toEqual({ backups: 0, objects: 0, storedSize: 0 });
    expect(await store.keys()).toEqual(after);
    expect((await runPgarc(['wal-verify'], { env: store.env })).code).toBe(0);
  });

  test('without a rule keeps everything, and refuses rules that keep nothing before it asks the store', async () => {
    const { report } = await retain('--confirm');
    expect(report.frees.objects).toBe(0);
    const env = { ...store.env, PGARC_STORE: 's3://nowhere', PGARC_S3_ENDPOINT: 'http://127.0.0.1:1' };
    const refused = await runPgarc(['retain', '--keep-full', '0', '--keep-window', '0', '--confirm'], {
      env,
    });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/keep-full, keep-window are 0/);
    const zone = await runPgarc(['retain', '--retention-time-zone', 'Mars/Olympus'], { env });
    expect(zone.code).toBe(2);
    expect(zone.stderr).toContain('retention-time-zone');
  });
});

describe('retain on a store with troubles', () => {
  let minio: TestMinio;
  let proxy: FaultProxy;
  let prefixes = 0;

  beforeAll(async () => {
    minio = await startMinio();
    proxy = await startFaultProxy(minio.endpoint);
  });

  async function makeArchive(days: number, segments = 10) {
    proxy.reset();
    const prefix = `trouble${prefixes++}`;
    await fill((key, body) => minio.write(`${prefix}/${key}`, body), days, segments);
    const keys = async () => (await minio.keys(`${prefix}/`)).map((key) => key.slice(prefix.length + 1));
    return { env: minio.env(prefix, proxy.endpoint), keys };
  }

  // DeleteObjects is asked for sentinels, then for parts, then for WAL; each time its answer never comes.
  test.each([
    ['sentinels', 1, 4],
    ['parts', 2, 0],
    ['WAL', 3, 0],
  ])('goes on where it was killed: after the %s', async (_, nth, unfinished) => {
    const { env, keys } = await makeArchive(6);
    const before = await keys();
    const args = ['retain', '--keep-full', '2', '--json'];
    const retain = async (...more: string[]) =>
      JSON.parse((await mustRunPgarc([...args, ...more], { env })).stdout) as Report;
    const plan = await retain();
    proxy.add({ method: 'POST', path: /[?&]delete/, nth, fault: { kind: 'stall' } });
    const running = startPgarc([...args, '--confirm'], { env });
    await waitFor(async () => proxy.requests.some(({ fault }) => fault === 'stall'), { what: 'a deletion' });
    // The store does what it was asked for, and nobody hears of it.
    const isDone = async () => {
      const left = await keys();
      const gone = before.filter((key) => !left.includes(key));
      return gone.length >= [4, 20, plan.frees.objects][nth - 1]!;
    };
    await waitFor(isDone, { what: 'the store to delete' });
    running.child.kill('SIGKILL');
    await running.result;
    proxy.reset();
    const left = await keys();
    expect(left.filter((key) => key.endsWith('_sentinel.json'))).toHaveLength(2);
    expect(left.filter((key) => key.startsWith('pgarc/retention/'))).toHaveLength(1);
    const next = await retain();
    expect(next.unfinished).toHaveLength(unfinished);
    expect(next.frees.backups).toBe(0);
    await retain('--confirm');
    const after = await keys();
    expect(before.length - after.length).toBe(plan.frees.objects);
    expect(after.every((key) => before.includes(key))).toBe(true);
  });

  test('deletes nothing when a listing fails half-way, or is cut short', async () => {
    const { env, keys } = await makeArchive(6, 200);
    const before = await keys();
    for (const fault of [
      { kind: 'respond', status: 500, body: 'no' },
      { kind: 'respond', status: 403, body: '<Error><Code>AccessDenied</Code></Error>' },
      { kind: 'shorten', afterBytes: 2000 },
      { kind: 'truncate', afterBytes: 2000 },
    ] as const) {
      proxy.reset();
      proxy.add({ path: /continuation-token/, fault });
      const args = ['retain', '--keep-full', '2', '--confirm', '--store-timeout', '1s'];
      const { code, stderr } = await runPgarc(args, { env });
      expect(code, stderr).toBe(7);
      expect(proxy.requests.filter(({ method }) => method === 'POST' || method === 'DELETE')).toEqual([]);
    }
    expect(await keys()).toEqual(before);
  });

  test('does not believe a page that lacks the newest backups', async () => {
    const { env, keys } = await makeArchive(4);
    const before = await keys();
    // A complete and valid answer of an archive as it was once.
    const sentinel = sentinelKey(nameOf(0));
    const prefix = new URL(env.PGARC_STORE!).pathname.slice(1);
    const body = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>backups</Name><Prefix>${prefix}/basebackups_005/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>${prefix}/${sentinel}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"x"</ETag><Size>300</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>`;
    proxy.add({
      path: /list-type=2.*prefix=[^&]*basebackups_005(%2F|\/)(&|$)/,
      times: 1,
      fault: { kind: 'respond', status: 200, body, contentType: 'application/xml' },
    });
    const args = ['retain', '--keep-full', '1', '--confirm', '--json'];
    const { stdout } = await mustRunPgarc(args, { env });
    // The second listing showed that the first was not all, and a new plan was made.
    expect((JSON.parse(stdout) as Report).backups.filter(({ keep }) => keep).map(({ name }) => name)).toEqual(
      [nameOf(3)],
    );
    const after = await keys();
    expect(after).toContain(sentinelKey(nameOf(3)));
    expect(after.length).toBeLessThan(before.length);
  });

  test('does not delete a backup that is marked while it looks', async () => {
    const { env, keys } = await makeArchive(4);
    const { promise, resolve } = Promise.withResolvers<void>();
    const path = /list-type=2.*prefix=[^&]*basebackups_005(%2F|\/)(&|$)/;
    // The second look, after the plan was made.
    proxy.add({ path, nth: 2, fault: { kind: 'hold', until: promise } });
    const running = startPgarc(['retain', '--keep-full', '1', '--confirm', '--json'], { env });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'hold'), { what: 'the second look' });
    const direct = { ...env, AWS_ENDPOINT: minio.endpoint };
    await mustRunPgarc(['backup-mark', nameOf(1)], { env: direct });
    resolve();
    const { code, stdout, stderr } = await running.result;
    expect(code, stderr).toBe(0);
    expect((JSON.parse(stdout) as Report).deleted?.backups).toEqual([nameOf(0), nameOf(2)]);
    const after = await keys();
    for (const day of [1, 3]) expect(after).toContain(sentinelKey(nameOf(day)));
    expect((await runPgarc(['wal-verify'], { env })).code).toBe(0);
  });

  test('tells what the store would not delete, and leaves it', async () => {
    const { env, keys } = await makeArchive(4);
    const before = await keys();
    const prefix = new URL(env.PGARC_STORE!).pathname.slice(1);
    const errors = [0, 1, 2].map(
      (day) =>
        `<Error><Key>${prefix}/${sentinelKey(nameOf(day))}</Key><Code>AccessDenied</Code><Message>Object is WORM protected</Message></Error>`,
    );
    proxy.add({
      method: 'POST',
      path: /[?&]delete/,
      nth: 1,
      fault: {
        kind: 'respond',
        status: 200,
        body: `<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${errors.join('')}</DeleteResult>`,
        contentType: 'application/xml',
      },
    });
    const args = ['retain', '--keep-full', '1', '--confirm', '--json'];
    const { code, stdout, stderr } = await runPgarc(args, { env });
    expect(code, stderr).toBe(3);
    const report = JSON.parse(stdout) as Report;
    expect(report.deleted).toMatchObject({ backups: [], refused: 3 });
    expect(report.warnings.join()).toContain('WORM protected');
    const after = await keys();
    // Backups that stay keep their parts and their own WAL.
    expect(after.filter((key) => key.startsWith('basebackups_005/'))).toEqual(
      before.filter((key) => key.startsWith('basebackups_005/')),
    );
    for (const day of [0, 1, 2]) expect(after).toContain(`wal_005/${nameOf(day).slice(5)}`);
    expect((await runPgarc(['wal-verify'], { env })).code).toBe(0);
  });

  test('says that a bucket with versions frees nothing yet', async () => {
    const { PutBucketVersioningCommand } = await import('@aws-sdk/client-s3');
    const { env } = await makeArchive(3);
    const versioning = (Status: 'Enabled' | 'Suspended') =>
      minio.client.send(
        new PutBucketVersioningCommand({ Bucket: minio.bucket, VersioningConfiguration: { Status } }),
      );
    await versioning('Enabled');
    try {
      const { stdout } = await mustRunPgarc(['retain', '--keep-full', '1', '--json'], { env });
      expect((JSON.parse(stdout) as Report).notes.join()).toContain('keeps old versions');
    } finally {
      await versioning('Suspended');
    }
  });
});

describe('retain on the archive of a real cluster', () => {
  test('what it keeps can be restored, to its own end and to the newest moment', async () => {
    const { env } = await makeStore('minio');
    const server = await startPostgres({ archive: true, env });
    const ledger = await startLedger(server);
    const push = async () => {
      await ledger.grow(20);
      await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
      await ledger.grow(20);
      await server.query('SELECT pg_switch_wal()');
    };
    for (let i = 0; i < 4; i++) await push();
    const { backups } = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    await mustRunPgarc(['backup-mark', backups[1].name], { env });
    const { stdout } = await mustRunPgarc(['retain', '--keep-full', '1', '--confirm', '--json'], { env });
    const report = JSON.parse(stdout) as Report;
    expect(report.backups.map(({ keep }) => keep)).toEqual([false, true, false, true]);
    expect(report.backups[1]?.reasons).toEqual(['permanent']);
    expect(report.wal.length).toBeGreaterThan(0);
    await ledger.grow(20);
    const last = await ledger.stop();
    await server.archiveAll();
    await server.kill();
    await mustRunPgarc(['verify'], { env });
    await mustRunPgarc(['wal-verify'], { env });

    const newest = await restore(env);
    const atEnd = await startRestored(newest.dataDir, env);
    expect(await readLedger(atEnd)).toEqual({ last, whole: true });
    await atEnd.stop();
    const args = ['--target', 'immediate', '--target-action', 'promote'];
    const older = await restore(env, args, backups[1].name);
    const then = await startRestored(older.dataDir, env);
    const found = await readLedger(then);
    expect(found.whole).toBe(true);
    expect(found.last).toBeGreaterThan(0);
  });
});
