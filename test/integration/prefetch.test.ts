import { existsSync, symlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openEncoder } from '../../src/codec/codecs.ts';
import { compressBuffer } from '../../src/wal/compress.ts';
import { countConnections, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type FakeCluster, makeFakeCluster } from '../support/fake-cluster.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { runPgarc } from '../support/pgarc.ts';
import { makeOwnedDirectory, makeTemporaryFolder, makeTemporaryFolderNow } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { makeSegment } from '../support/wal-segment.ts';

/** wal-fetch with a daemon, as PostgreSQL calls it, against MinIO. Segments have 1 MiB. */

/** Nothing the launcher does on its fast paths needs Node. */
const WITHOUT_NODE = { PGARC_NODE: '/nonexistent/node' };

/** A PATH on which the launcher finds no curl. */
const WITHOUT_CURL = { PATH: makeTemporaryFolderNow('bin'), PGARC_NODE: process.execPath };
for (const program of ['setpriv', 'mv']) {
  const folder = process.env.PATH!.split(':').find((one) => existsSync(join(one, program)));
  if (folder !== undefined) symlinkSync(join(folder, program), join(WITHOUT_CURL.PATH, program));
}

let minio: TestMinio | undefined;
let proxy: FaultProxy;
let cluster: FakeCluster;
let env: Record<string, string>;
let daemon: TestDaemon;
let prefixes = 0;

const seg = (number: number, timeline = 1) =>
  `0000000${timeline}00000000${number.toString(16).toUpperCase().padStart(8, '0')}`;
const inSpool = async () =>
  (await readdir(join(env.PGARC_SPOOL!, 'in'))).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
const taken = (name: string, ahead: boolean) => `walTaken name=${name} ahead=${ahead}`;

beforeEach(async () => {
  minio ??= await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
  cluster = await makeFakeCluster();
  const spool = await makeOwnedDirectory(join(await makeTemporaryFolder('spool'), 'my spool'));
  env = {
    ...minio.env(`cluster${++prefixes}`, proxy.endpoint),
    PGARC_SPOOL: spool,
    PGDATA: cluster.data,
    PGARC_PREFETCH_SEGMENTS: '4',
    PGARC_LOG_LEVEL: 'debug',
  };
});

/** Puts bytes into the cluster's archive, past all checks. */
async function store(name: string, bytes: Buffer): Promise<void> {
  const stored = await compressBuffer(Buffer.from(bytes), await openEncoder('lz4'));
  await minio!.write(`cluster${prefixes}/wal_005/${name}.lz4`, stored);
}

/** Puts segments of the cluster into its archive. @returns their contents by name */
async function archive(numbers: readonly number[], timeline = 1): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  const { systemIdentifier } = cluster;
  for (const number of numbers) {
    const { name, bytes } = makeSegment({ number, timeline, systemIdentifier });
    await store(name, bytes);
    contents.set(name, bytes);
  }
  proxy.reset();
  return contents;
}

const destination = () => join(cluster.data, 'pg_wal/RECOVERYXLOG');

async function fetch(name: string, more: Record<string, string> = {}, to = 'pg_wal/RECOVERYXLOG') {
  return runPgarc(['wal-fetch', name, to], { cwd: cluster.data, env: { ...env, ...more } });
}

/** Fetches as PostgreSQL does: without what was there before. @returns what it got */
async function mustFetch(name: string, more: Record<string, string> = WITHOUT_NODE): Promise<Buffer> {
  await rm(destination(), { force: true });
  const result = await fetch(name, more);
  if (result.code !== 0)
    throw new Error(`wal-fetch ${name}: ${result.code}\n${result.stderr}\n${daemon.stderr()}`);
  return readFile(destination());
}

async function present(...names: string[]): Promise<void> {
  await waitFor(async () => (await inSpool()).join() === names.join(), {
    what: `${names.join()} in the spool; the daemon says:\n${daemon.stderr()}`,
  });
}

const gets = () =>
  proxy.requests
    .filter(({ method }) => method === 'GET')
    .map(({ path }) => path.split('/').at(-1)!.split('?')[0]!);

describe('wal-fetch with a daemon', () => {
  it('gets each segment with one request and without Node, the next ones without asking', async () => {
    const contents = await archive([1, 2, 3, 4, 5, 6]);
    daemon = await startDaemon(env);
    for (const [name, bytes] of contents) {
      expect((await mustFetch(name)).equals(bytes)).toBe(true);
      if (name === seg(1)) await present(seg(2), seg(3), seg(4), seg(5));
      if (name === seg(5)) await present(seg(6));
    }
    expect(daemon.stderr()).toContain(taken(seg(1), false));
    for (const number of [2, 3, 4, 5, 6]) {
      await waitFor(() => daemon.stderr().includes(taken(seg(number), true)), { what: `${number}` });
    }
    // One each, and the end of the archive looked at by at most as many as were on their way at a time.
    const misses = gets().filter((name) => name > seg(7));
    expect(
      gets()
        .filter((name) => name < seg(7))
        .sort(),
    ).toEqual([...contents.keys()].map((name) => `${name}.lz4`));
    expect(misses.length).toBeLessThanOrEqual(4);
    expect(await readdir(join(cluster.data, 'pg_wal'))).toEqual(['RECOVERYXLOG', 'archive_status']);
  });

  it.each([
    ['curl', {}],
    ['Node', WITHOUT_CURL],
    ['nobody, for PGARC_DAEMON=no', { PGARC_DAEMON: 'no' }],
  ])('gives the same answers when %s asks the daemon', async (_, options: Record<string, string>) => {
    const contents = await archive([1]);
    // For what is to fail; what is to succeed waits for nothing.
    env.PGARC_FETCH_TIMEOUT = '5s';
    daemon = await startDaemon(env);
    expect((await mustFetch(seg(1), options)).equals(contents.get(seg(1))!)).toBe(true);
    for (const missing of [seg(2), '00000002.history']) {
      const result = await fetch(missing, options);
      expect(result).toMatchObject({ code: 74, stderr: expect.stringContaining('is not in the archive') });
    }
    proxy.add({ fault: { kind: 'respond', status: 503 } });
    expect(await fetch(seg(3), options)).toMatchObject({ code: 255, stderr: expect.stringMatching(/503/) });
    expect(await fetch('00000002.history', options)).toMatchObject({ code: 255 });
  });

  it('hands over no segment of another timeline, asked for or ahead of that', async () => {
    const [old] = (await archive([4])).values();
    await archive([3], 2);
    await store(seg(4, 2), old!);
    await cluster.addFile('00000002.history', Buffer.from('1\t0/300000\tno reason\n'));
    daemon = await startDaemon(env);
    await mustFetch(seg(3, 2));
    for (const more of [{}, { PGARC_DAEMON: 'no' }]) {
      expect(await fetch(seg(4, 2), more)).toMatchObject({
        code: 255,
        stderr: expect.stringContaining('its first page is of timeline 1'),
      });
    }
    expect(await inSpool()).toEqual([]);
  });

  it('asks the store anew for what was missing', async () => {
    await archive([1]);
    daemon = await startDaemon(env);
    await mustFetch(seg(1));
    for (let i = 0; i < 3; i++) expect(await fetch(seg(2))).toMatchObject({ code: 74 });
    const contents = await archive([2]);
    expect((await mustFetch(seg(2))).equals(contents.get(seg(2))!)).toBe(true);
  });

  it('does not look beyond the end of the archive while a standby waits there', async () => {
    await archive([1]);
    daemon = await startDaemon(env);
    await mustFetch(seg(1));
    await waitFor(() => gets().some((name) => name.startsWith(seg(2))), { what: 'a look ahead' });
    proxy.reset();
    for (let i = 0; i < 4; i++) {
      await mustFetch(seg(1));
      await fetch(seg(2));
    }
    // The segment itself; then the missing one: a GET and the listing.
    expect(proxy.requests).toHaveLength(4 * 3);
  });

  it('shares one download among requests at the same time', async () => {
    const contents = await archive([1]);
    daemon = await startDaemon({ ...env, PGARC_PREFETCH_SEGMENTS: '0' });
    const isOver = Promise.withResolvers<void>();
    proxy.add({ path: /wal_005/, fault: { kind: 'hold', until: isOver.promise } });
    const names = ['RECOVERYXLOG', 'one', 'two'];
    const fetching = names.map((name) => fetch(seg(1), {}, `pg_wal/${name}`));
    await waitFor(async () => (await countConnections(env.PGARC_SPOOL!)) === names.length, {
      what: 'all of them at the daemon',
    });
    // It answers in the order they came: when it has answered others, it has heard of these.
    for (let i = 0; i < 2; i++) expect(await fetch('no-wal', WITHOUT_CURL)).toMatchObject({ code: 255 });
    isOver.resolve();
    const results = await Promise.all(fetching);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    for (const name of names) {
      const got = await readFile(join(cluster.data, 'pg_wal', name));
      expect(got.equals(contents.get(seg(1))!)).toBe(true);
    }
    expect(gets()).toHaveLength(1);
  });

  it.each([
    ['3', 3],
    ['0', 0],
  ])('keeps no more than prefetch-segments=%s', async (setting, most) => {
    await archive([1, 2, 3, 4, 5, 6, 7]);
    daemon = await startDaemon({ ...env, PGARC_PREFETCH_SEGMENTS: setting });
    let seen = 0;
    for (const number of [1, 2, 3, 4]) {
      await mustFetch(seg(number));
      const ahead = [1, 2, 3].map((next) => seg(number + next)).slice(0, most);
      await waitFor(
        async () => {
          const files = await inSpool();
          seen = Math.max(seen, files.length);
          return files.join() === ahead.join();
        },
        { what: ahead.join() },
      );
    }
    expect(seen).toBe(most);
  });

  it('drops what it has when replay goes elsewhere', async () => {
    await archive([1, 2, 3, 4, 5, 6, 7, 8]);
    const other = await archive([3, 4], 2);
    daemon = await startDaemon(env);
    await mustFetch(seg(1));
    await present(seg(2), seg(3), seg(4), seg(5));
    // Another timeline: only its own segments from now on.
    expect((await mustFetch(seg(3, 2))).equals(other.get(seg(3, 2))!)).toBe(true);
    await present(seg(4, 2));
    await mustFetch(seg(7));
    await present(seg(8));
    await mustFetch(seg(1));
    await present(seg(2), seg(3), seg(4), seg(5));
  });

  it('keeps what it has while replay asks for segments of a newer timeline that are not there', async () => {
    await archive([1, 2, 3, 4, 5]);
    daemon = await startDaemon(env);
    await mustFetch(seg(1));
    await present(seg(2), seg(3), seg(4), seg(5));
    expect(await fetch(seg(2, 2))).toMatchObject({ code: 74 });
    expect(await fetch('00000002.history')).toMatchObject({ code: 74 });
    expect(await inSpool()).toHaveLength(4);
  });

  it('has nothing at hand of what the server’s history leaves out, and all that only others leave out', async () => {
    const contents = await archive([3, 4, 5, 6, 7]);
    await writeFile(join(cluster.data, 'standby.signal'), '');
    await writeFile(join(cluster.data, 'postmaster.pid'), `42\n${cluster.data}\n1000\n`);
    daemon = await startDaemon(env);
    await mustFetch(seg(3));
    await present(seg(4), seg(5), seg(6), seg(7));
    // A walreceiver brings it: nobody asks for it here.
    await writeFile(join(cluster.data, 'pg_wal/00000002.history'), '1\t0/500100\tno reason\n');
    expect(await fetch(seg(5, 2))).toMatchObject({ code: 74 });
    expect(await inSpool()).toEqual([]);
    const cut = await mustFetch(seg(5), {});
    expect(
      [cut.subarray(0, 0x100), cut.subarray(0x100)].map((part) => part.every((byte) => byte === 0)),
    ).toEqual([false, true]);
    for (const more of [{}, { PGARC_DAEMON: 'no' }]) {
      expect(await fetch(seg(6, 2), more)).toMatchObject({ code: 74 });
      expect(await fetch(seg(6), more)).toMatchObject({
        code: 74,
        stderr: expect.stringContaining('this server follows timeline 2'),
      });
    }
    // A server that asks for timeline 1 alone does not follow the other one.
    expect((await mustFetch(seg(4))).equals(contents.get(seg(4))!)).toBe(true);
    expect(await inSpool()).toEqual([]);
    expect((await mustFetch(seg(5))).equals(contents.get(seg(5))!)).toBe(true);
    await present(seg(6), seg(7));
    expect((await mustFetch(seg(6))).equals(contents.get(seg(6))!)).toBe(true);
  });

  it('follows an archive that another tool compressed', async () => {
    const contents = await archive([1, 2, 3]);
    const zstd = await openEncoder('zstd');
    for (const [name, bytes] of contents) {
      const key = `cluster${prefixes}/wal_005/${name}`;
      await minio!.write(`${key}.zst`, await compressBuffer(Buffer.from(bytes), zstd));
      await minio!.remove(`${key}.lz4`);
    }
    daemon = await startDaemon(env);
    for (const [name, bytes] of contents) {
      expect((await mustFetch(name)).equals(bytes)).toBe(true);
      if (name === seg(1)) await present(seg(2), seg(3));
    }
  });

  it('serves tools that name the segment, and looks no further for them', async () => {
    const contents = await archive([1, 2, 3]);
    daemon = await startDaemon(env);
    for (const number of [3, 2]) {
      const path = join(cluster.data, 'pg_wal', seg(number));
      const result = await runPgarc(['wal-fetch', seg(number), path], { env: { ...env, ...WITHOUT_NODE } });
      expect(result).toMatchObject({ code: 0 });
      expect((await readFile(path)).equals(contents.get(seg(number))!)).toBe(true);
    }
    expect(gets()).toHaveLength(2);
    expect(await inSpool()).toEqual([]);
  });

  it('moves across file systems', async () => {
    const contents = await archive([1, 2]);
    const elsewhere = await makeShmFolder();
    try {
      env.PGARC_SPOOL = join(elsewhere, 'spool');
      daemon = await startDaemon(env);
      await mustFetch(seg(1));
      await present(seg(2));
      expect((await mustFetch(seg(2))).equals(contents.get(seg(2))!)).toBe(true);
      expect((await mustFetch(seg(1), WITHOUT_CURL)).equals(contents.get(seg(1))!)).toBe(true);
      expect((await readdir(join(cluster.data, 'pg_wal'))).sort()).toEqual([
        'RECOVERYXLOG',
        'archive_status',
      ]);
    } finally {
      await daemon.kill();
      await rm(elsewhere, { recursive: true, force: true });
    }
  });
});

describe('what lies in the spool is not used', () => {
  beforeEach(async () => {
    await archive([1, 2, 3]);
    daemon = await startDaemon(env);
    await mustFetch(seg(1));
    await present(seg(2), seg(3));
    await waitFor(() => [seg(4), seg(5)].every((name) => gets().includes(`${name}.lz4`)), {
      what: 'its looks beyond the end of the archive',
    });
    proxy.reset();
  });

  it('for another cluster', async () => {
    const other = await makeFakeCluster();
    const options = { cwd: other.data, env };
    expect(await runPgarc(['wal-fetch', seg(2), 'pg_wal/RECOVERYXLOG'], options)).toMatchObject({ code: 0 });
    expect(gets()).toEqual([`${seg(2)}.lz4`]);
    expect(await inSpool()).toEqual([seg(2), seg(3)]);
  });

  it('for another store', async () => {
    expect(await fetch(seg(2), { PGARC_STORE: 's3://backups/elsewhere' })).toMatchObject({ code: 74 });
    expect(await inSpool()).toEqual([seg(2), seg(3)]);
  });

  it('for another store in a settings file', async () => {
    const file = join(await makeTemporaryFolder(), 'pgarc.yaml');
    await writeFile(file, 'store: s3://backups/elsewhere\n');
    expect(await fetch(seg(2), { PGARC_CONFIG: file, PGARC_STORE: '' })).toMatchObject({ code: 74 });
    expect(await inSpool()).toEqual([seg(2), seg(3)]);
  });

  it('when the daemon was killed', async () => {
    await daemon.kill();
    expect(existsSync(join(env.PGARC_SPOOL!, 'daemon'))).toBe(true);
    expect(await fetch(seg(2))).toMatchObject({ code: 0 });
    expect(gets()).toContain(`${seg(2)}.lz4`);
    expect(await inSpool()).toEqual([seg(2), seg(3)]);
    daemon = await startDaemon(env);
    expect(await inSpool()).toEqual([]);
  });

  it('when the data directory was filled anew', async () => {
    await cluster.renew();
    expect(await fetch(seg(2))).toMatchObject({ code: 0 });
    expect(gets()).toContain(`${seg(2)}.lz4`);
    await waitFor(async () => (await inSpool()).length === 0, { what: 'an empty spool' });
  });
});

/** A folder on another file system than the temporary ones. */
async function makeShmFolder(): Promise<string> {
  const folder = `/dev/shm/pgarc-test-${process.pid}`;
  await mkdir(folder, { recursive: true });
  return makeOwnedDirectory(folder, 0o755);
}
