import { existsSync } from 'node:fs';
import { cp, rename, rmdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { PGARC, type RunOptions, runPgarc } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeStore, STORE_KINDS, type StoreKind, type TestStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** Without a Node, so that only marker or curl can answer; without curl, so that Node must. */
const NO_NODE = { PGARC_NODE: '/bin/false' };
let bare: string;

beforeAll(async () => {
  bare = await makeTemporaryFolder('bin');
  const setpriv = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'setpriv'));
  await symlink(setpriv.find((file) => existsSync(file)) ?? '/nowhere', join(bare, 'setpriv'));
});

async function setUp(kind: StoreKind = 'folder') {
  const store = await makeStore(kind);
  const cluster = await makeFakeCluster();
  return { store, cluster, env: { ...store.env, PGDATA: cluster.data } as Record<string, string> };
}

async function isStored(store: TestStore, name: string, bytes: Buffer): Promise<boolean> {
  const [key] = await store.keys(`wal_005/${name}.`);
  return key !== undefined && (await unpackLz4(await store.read(key))).equals(bytes);
}

describe.each(STORE_KINDS)('wal-push with %s', (kind) => {
  it('gives the same answer by marker, through the daemon, and without either', async () => {
    const { store, cluster, env } = await setUp(kind);
    const daemon = await startDaemon(env);
    const withNode = { PGARC_NODE: process.execPath };
    const noCurl = { PATH: bare, ...withNode };
    const ways: [string, Record<string, string>][] = [
      ['curl', NO_NODE],
      ['Node and the socket', noCurl],
      ['Node alone', { ...noCurl, PGARC_DAEMON: 'no' }],
    ];
    const link = join(await makeTemporaryFolder('a link'), 'my pgarc');
    await symlink(PGARC, link);

    // Stored ahead: a marker, and nothing else is asked.
    const first = await cluster.add({ number: 1 });
    await daemon.marked(first.name);
    const options: RunOptions = { cwd: cluster.data, env: { ...env, ...NO_NODE, PATH: bare } };
    expect(await runPgarc(['wal-push', `pg_wal/${first.name}`], options)).toMatchObject({
      code: 0,
      stderr: '',
    });
    const linked = await runProgram(link, ['wal-push', first.path], { ...options, cwd: '/' });
    expect(linked).toMatchObject({ code: 0, stderr: '' });
    expect(await isStored(store, first.name, first.bytes)).toBe(true);

    for (const [index, [what, more]] of ways.entries()) {
      const all = { ...env, ...more };
      const { name, bytes, path } = await cluster.add({ number: 10 + index, ready: false });
      const relative = { cwd: cluster.data, env: all };
      expect(await runPgarc(['wal-push', `pg_wal/${name}`], relative), what).toMatchObject({ code: 0 });
      expect(await isStored(store, name, bytes), what).toBe(true);
      expect(await runPgarc(['wal-push', path], { cwd: '/tmp', env: all }), what).toMatchObject({ code: 0 });

      // Other bytes under a name that is stored: the same words and code in all ways.
      const other = Buffer.from(bytes);
      other.writeUInt8(1, 700_000);
      await writeFile(path, other);
      const refused = await runPgarc(['wal-push', path], { cwd: '/', env: all });
      expect(refused, what).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          new RegExp(
            `pgarc: ${name} is in the archive already with other contents: .*\\nhint: Another server`,
          ),
        ),
      });
      // The next segment of the old timeline under the new one's name.
      await writeFile(join(cluster.data, 'pg_wal/00000002.history'), '1\t0/100000\tno reason\n');
      const ancestors = [{ timeline: 1, switchAt: 2 ** 20 }];
      const astray = await cluster.add({ number: 30 + index, timeline: 2, ancestors, ready: false });
      expect(await runPgarc(['wal-push', astray.path], { cwd: '/', env: all }), what).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('its first page is of timeline 1'),
      });
      expect(await store.keys(`wal_005/${astray.name}`)).toEqual([]);
      // What the daemon does not serve is Node's business.
      const missing = join(cluster.data, 'pg_wal/0000000100000000000000FF');
      expect(await runPgarc(['wal-push', missing], { cwd: '/', env: { ...all, ...withNode } })).toMatchObject(
        {
          code: 1,
          stderr: expect.stringContaining(`${missing} does not exist`),
        },
      );
    }
    await daemon.kill();
    const last = await cluster.add({ number: 20 });
    expect(await runPgarc(['wal-push', last.path], { env })).toMatchObject({ code: 0 });
    expect(await isStored(store, last.name, last.bytes)).toBe(true);
  });
});

it('a folder whose disk is not mounted takes no WAL, with a daemon and without', async () => {
  const { store, cluster, env } = await setUp();
  const root = env.PGARC_STORE!.replace('file://', '');
  const daemon = await startDaemon(env);
  const first = await cluster.add({ number: 1 });
  await daemon.marked(first.name);
  await rename(root, `${root}.disk`);
  await makeOwnedDirectory(root, 0o755);
  const [second, third] = [await cluster.add({ number: 2 }), await cluster.add({ number: 3, ready: false })];
  const refused = { code: 7, stderr: expect.stringContaining('Check that its disk is mounted') };
  for (const { path } of [second, third]) {
    expect(await runPgarc(['wal-push', path], { env: { ...env, ...NO_NODE } })).toMatchObject(refused);
    expect(await runPgarc(['wal-push', path], { env: { ...env, PGARC_DAEMON: 'no' } })).toMatchObject(
      refused,
    );
  }
  expect(daemon.isMarked(second.name)).toBe(false);
  expect(await store.keys()).toEqual([]);
  await rmdir(root);
  await rename(`${root}.disk`, root);
  expect(await runPgarc(['wal-push', second.path], { env: { ...env, ...NO_NODE } })).toMatchObject({
    code: 0,
  });
  expect(await isStored(store, second.name, second.bytes)).toBe(true);
});

describe('a marker that must not count', () => {
  it('after the daemon was killed: the spool is full of them', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const { name, path } = await cluster.add({ number: 1 });
    await daemon.marked(name);
    await daemon.kill();
    expect(daemon.isMarked(name)).toBe(true);
    await store.remove(`wal_005/${name}.lz4`);
    expect(await runPgarc(['wal-push', path], { env: { ...env, ...NO_NODE } })).toMatchObject({ code: 1 });
    expect(await runPgarc(['wal-push', path], { env })).toMatchObject({ code: 0 });
    expect(await store.keys('wal_005/')).toEqual([`wal_005/${name}.lz4`]);
    // The next daemon begins with none.
    const next = await startDaemon(
      { ...env, PGDATA: join(await makeTemporaryFolder(), 'none') },
      { wait: false },
    );
    await waitFor(() => !next.isMarked(name));
  });

  it('in a copy of the spool, beside another daemon', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const { name, path, bytes } = await cluster.add({ number: 1 });
    await daemon.marked(name);
    const copy = await makeTemporaryFolder('copy');
    for (const entry of ['daemon', 'daemon.lock', 'out']) {
      await cp(join(env.PGARC_SPOOL!, entry), join(copy, entry), {
        recursive: true,
        preserveTimestamps: true,
      });
    }
    await store.remove(`wal_005/${name}.lz4`);
    const all = { ...env, PGARC_SPOOL: copy };
    expect(await runPgarc(['wal-push', path], { env: { ...all, ...NO_NODE } })).toMatchObject({ code: 1 });
    expect(await runPgarc(['wal-push', path], { env: all })).toMatchObject({ code: 0 });
    expect(await isStored(store, name, bytes)).toBe(true);
  });

  it('for a cluster initialised anew in the same directory, with the clock set back', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const old = await cluster.add({ number: 1, seed: 'old' });
    await daemon.marked(old.name);
    await cluster.renew();
    const renewed = await cluster.add({ number: 1, seed: 'new' });
    const push = ['wal-push', renewed.path];
    // Whatever the segment's time says, and whether the daemon has noticed or not.
    for (const time of ['2001-01-01', '2037-01-01', 'now']) {
      await runProgram('touch', ['-d', time, renewed.path], { asPostgres: false });
      expect(await runPgarc(push, { env })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('other contents'),
      });
    }
    expect(await isStored(store, old.name, old.bytes)).toBe(true);
    await waitFor(() => daemon.stderr().match(/daemonReady/g)?.length === 2);
    expect(await runPgarc(push, { env })).toMatchObject({ code: 1 });
    const next = await cluster.add({ number: 2, seed: 'new' });
    await daemon.marked(next.name);
    expect(await isStored(store, next.name, next.bytes)).toBe(true);
  });

  it('for another store, named by the environment or by the settings file', async () => {
    const { cluster, env } = await setUp();
    const other = await makeStore('folder');
    const file = join(await makeTemporaryFolder('etc'), 'pgarc.yaml');
    const { PGARC_STORE, ...rest } = env;
    const write = async (path: string, text: string) => {
      await writeFile(path, text);
      // As on systems where all files have one time.
      await utimes(path, 1, 1);
    };
    await write(file, `store: ${PGARC_STORE}\n`);
    const fileEnv = { ...rest, PGARC_CONFIG: file };
    const daemon = await startDaemon(fileEnv);
    const [one, two] = [await cluster.add({ number: 1 }), await cluster.add({ number: 2 })];
    await daemon.marked(one.name);
    await daemon.marked(two.name);
    const marker = { env: { ...fileEnv, ...NO_NODE } };
    expect(await runPgarc(['wal-push', one.path], marker)).toMatchObject({ code: 0 });
    const moved = { ...fileEnv, PGARC_STORE: other.env.PGARC_STORE! };
    expect(await runPgarc(['wal-push', one.path], { env: { ...moved, ...NO_NODE } })).toMatchObject({
      code: 1,
    });
    expect(await runPgarc(['wal-push', one.path], { env: moved })).toMatchObject({ code: 0 });
    expect(await isStored(other, one.name, one.bytes)).toBe(true);
    await write(`${file}.new`, `store: ${other.env.PGARC_STORE}\n`);
    await rename(`${file}.new`, file);
    expect(await runPgarc(['wal-push', two.path], marker)).toMatchObject({ code: 1 });
    expect(await runPgarc(['wal-push', two.path], { env: fileEnv })).toMatchObject({ code: 0 });
    expect(await isStored(other, two.name, two.bytes)).toBe(true);
    await waitFor(() =>
      daemon.stderr().includes('has changed: wal-push and wal-fetch do without this daemon'),
    );
  });

  it('for a daemon whose store comes from the command line', async () => {
    const { store, cluster, env } = await setUp();
    const other = await makeStore('folder');
    const daemon = await startDaemon(env, { args: ['--store', other.env.PGARC_STORE!] });
    const { name, path, bytes } = await cluster.add({ number: 1 });
    await daemon.marked(name);
    expect(existsSync(join(env.PGARC_SPOOL!, 'daemon'))).toBe(false);
    expect(await isStored(other, name, bytes)).toBe(true);
    expect(await runPgarc(['wal-push', path], { env })).toMatchObject({ code: 0 });
    expect(await isStored(store, name, bytes)).toBe(true);
  });

  it('for a segment that was written again under its name', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const { name, path, bytes } = await cluster.add({ number: 1, seed: 'a' });
    await daemon.marked(name);
    const again = await cluster.add({ number: 1, seed: 'b', ready: false });
    expect(again.path).toBe(path);
    expect(await runPgarc(['wal-push', path], { env })).toMatchObject({ code: 1 });
    expect(await isStored(store, name, bytes)).toBe(true);
    expect(await isStored(store, name, again.bytes)).toBe(false);
  });
});

describe('one daemon', () => {
  it('serves a spool and a data directory; a second one says so and exits with 6', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const expected = { code: 6, stderr: expect.stringContaining(`(pid ${daemon.pid}) already serves`) };
    expect(await runPgarc(['daemon'], { env })).toMatchObject(expected);
    expect(
      await runPgarc(['daemon'], { env: { ...env, PGARC_SPOOL: await makeTemporaryFolder('spool') } }),
    ).toMatchObject(expected);
    const other = await makeFakeCluster();
    expect(await runPgarc(['daemon'], { env: { ...env, PGDATA: other.data } })).toMatchObject(expected);
    // They have left the first one in peace, and its socket.
    const { name, path } = await cluster.add({ number: 1, ready: false });
    expect(await runPgarc(['wal-push', path], { env: { ...env, ...NO_NODE } })).toMatchObject({ code: 0 });
    expect(await store.keys('wal_005/')).toEqual([`wal_005/${name}.lz4`]);
    await daemon.kill();
    await startDaemon(env);
  });

  it('starts before its cluster, and follows it when it is moved and made anew', async () => {
    const { store, env } = await setUp();
    const data = join(await makeOwnedDirectory(join(await makeTemporaryFolder(), 'pg'), 0o755), 'data');
    const daemon = await startDaemon({ ...env, PGDATA: data }, { wait: false });
    await waitFor(() => daemon.stderr().includes('daemonWaiting'));
    const cluster = await makeFakeCluster(data);
    const serves = (times: number) =>
      waitFor(() => daemon.stderr().match(/daemonReady/g)?.length === times, { what: 'a cluster served' });
    await serves(1);
    await daemon.ask();
    const first = await cluster.add({ number: 1 });
    await daemon.marked(first.name);
    await rename(data, `${data}.away`);
    await waitFor(() => !daemon.isMarked(first.name) && !existsSync(join(env.PGARC_SPOOL!, 'daemon')));
    await rename(`${data}.away`, data);
    await serves(2);
    await daemon.ask();
    const second = await cluster.add({ number: 2 });
    await daemon.marked(second.name);
    expect(await store.keys('wal_005/')).toHaveLength(2);
  });

  it('stores nothing of a cluster that archives in another way: only once it is asked, all that waits', async () => {
    const { store, cluster, env } = await setUp();
    const daemon = await startDaemon({ ...env, PGARC_LOG_LEVEL: 'debug' }, { ask: false });
    const segments = [];
    for (const number of [1, 2, 3]) {
      segments.push(await cluster.add({ number }));
      await waitFor(() => daemon.stderr().includes(`walBacklog files=${number}`));
    }
    await cluster.done(segments[0]!.name);
    await waitFor(() => daemon.stderr().match(/walBacklog files=2/g)!.length > 1);
    expect(await store.keys()).toEqual([]);
    const asked = await runPgarc(['wal-push', segments[1]!.path], { env: { ...env, ...NO_NODE } });
    expect(asked).toMatchObject({ code: 0 });
    await daemon.marked(segments[2]!.name);
    expect(await store.keys('wal_005/')).toHaveLength(2);
  });

  it('never touches what PostgreSQL keeps in archive_status, and forgets what it is done with', async () => {
    const { cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const segments = await Promise.all([1, 2, 3].map((number) => cluster.add({ number })));
    await cluster.addFile('00000002.history', Buffer.from('1\t0/300000\tno recovery target specified\n'));
    for (const { name } of segments) await daemon.marked(name);
    await daemon.marked('00000002.history');
    const status = join(cluster.data, 'pg_wal/archive_status');
    for (const { name } of segments) expect(existsSync(join(status, `${name}.ready`))).toBe(true);
    await cluster.done(segments[0]!.name);
    await waitFor(() => !daemon.isMarked(segments[0]!.name));
    expect(daemon.isMarked(segments[1]!.name)).toBe(true);
  });

  it('needs to know its data directory', async () => {
    const { env } = await setUp();
    const { PGDATA, ...rest } = env;
    expect(PGDATA).toBeDefined();
    expect(await runPgarc(['daemon'], { env: rest })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Set PGDATA'),
    });
  });

  it('leaves nothing behind when it is told to stop', async () => {
    const { cluster, env } = await setUp();
    const daemon = await startDaemon(env);
    const { name } = await cluster.add({ number: 1 });
    await daemon.marked(name);
    expect(await daemon.stop()).toMatchObject({ code: 0, signal: null });
    for (const entry of ['daemon', 'daemon.sock', `out/${name}.ok`]) {
      expect(existsSync(join(env.PGARC_SPOOL!, entry)), entry).toBe(false);
    }
  });
});
