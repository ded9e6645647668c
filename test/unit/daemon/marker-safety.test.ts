import { spawnSync } from 'node:child_process';
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../../src/daemon/fingerprint.ts';
import { copyModified, markerPath } from '../../../src/daemon/marker.ts';
import { writeState } from '../../../src/daemon/state.ts';
import { type FakeCluster, makeFakeCluster } from '../../support/fake-cluster.ts';
import { PGARC } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

/** What the launcher exits with when it goes on to Node, which is replaced by one that only says so. */
const ASKED_NODE = 99;
const SHELLS = [['dash'], ['bash', '--posix'], ['bash'], ['busybox', 'sh']].filter(
  ([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0,
);
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0;
const STORE = 'file:///the store';

/** A daemon's spool and state, where this very process is the daemon. */
interface Scene {
  cluster: FakeCluster;
  spool: string;
  name: string;
  path: string;
  env: Record<string, string>;
  publish(change?: { pid?: number }): Promise<void>;
  /** What the daemon does with the settings file it was started with. */
  holdSettings(): Promise<void>;
  mark(name: string, path: string): Promise<void>;
  close(): Promise<void>;
}

let folder: string;
let scene: Scene;

beforeEach(async () => {
  folder = await makeTemporaryFolder('it has blanks');
  scene = await setUp();
});
afterEach(() => scene.close());

async function setUp(): Promise<Scene> {
  const node = join(folder, 'node');
  await writeFile(node, `#!/bin/sh\nexit ${ASKED_NODE}\n`, { mode: 0o755 });
  const cluster = await makeFakeCluster(join(folder, 'my data'));
  const spool = join(folder, 'my spool');
  await mkdir(join(spool, 'out'), { recursive: true });
  const lock = await open(join(spool, 'daemon.lock'), 'a');
  const control = await open(join(cluster.data, 'global/pg_control'), 'r');
  const { name, path } = await cluster.add({ number: 7 });
  const env = {
    PATH: process.env.PATH ?? '',
    PGARC_NODE: node,
    PGARC_SPOOL: spool,
    PGARC_STORE: STORE,
    PGARC_CONFIG: join(folder, 'pgarc.yaml'),
  };
  const mark = async (marked: string, from: string) => {
    expect(
      await copyModified(await stat(from, { bigint: true }), markerPath(join(spool, 'out'), marked)),
    ).toBe(true);
  };
  await mark(name, path);
  let settings: FileHandle | undefined;
  const publish: Scene['publish'] = (change = {}) =>
    writeState(join(spool, 'daemon'), {
      pid: process.pid,
      lockFd: lock.fd,
      controlFd: control.fd,
      settingsFd: settings?.fd,
      pgdata: cluster.data,
      fingerprint: fingerprintOf(env, env.PGARC_CONFIG) ?? '',
      ...change,
    });
  await publish();
  const holdSettings = async () => {
    await settings?.close();
    settings = await open(env.PGARC_CONFIG, 'r');
    await copyModified(await settings.stat({ bigint: true }), join(spool, 'daemon.settings'));
    await publish();
  };
  const close = async () => {
    for (const handle of [lock, control, settings]) await handle?.close();
  };
  return { cluster, spool, name, path, env, publish, holdSettings, mark, close };
}

function push(
  shell: readonly string[],
  path = `pg_wal/${scene.name}`,
  more: Record<string, string> = {},
  cwd = scene.cluster.data,
) {
  const [program, ...rest] = shell;
  const env = { ...scene.env, ...more };
  return spawnSync(program!, [...rest, PGARC, 'wal-push', path], { cwd, env, encoding: 'utf8' });
}

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('under %s a marker', (_, shell) => {
  const expectTaken = (...args: Parameters<typeof push> extends [unknown, ...infer Rest] ? Rest : never) =>
    expect(push(shell, ...args)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const expectRefused = (...args: Parameters<typeof push> extends [unknown, ...infer Rest] ? Rest : never) =>
    expect(push(shell, ...args)).toMatchObject({ status: ASKED_NODE, stderr: '' });

  it('counts, from wherever and through whatever path', async () => {
    expectTaken();
    expectTaken(scene.path, {}, '/');
    expectTaken(`../my data/pg_wal/${scene.name}`);
    await symlink(scene.cluster.data, join(folder, 'link'));
    expectTaken(join(folder, 'link/pg_wal', scene.name), {}, '/tmp');
    const elsewhere = join(folder, 'wal disk');
    await rename(join(scene.cluster.data, 'pg_wal'), elsewhere);
    await symlink(elsewhere, join(scene.cluster.data, 'pg_wal'));
    expectTaken();
  });

  it.runIf(HAS_STRACE)('costs no fork', () => {
    const args = [
      '-f',
      '-qq',
      '-e',
      'trace=fork,vfork,clone,clone3,execve',
      ...shell,
      PGARC,
      'wal-push',
      scene.path,
    ];
    const { status, stderr } = spawnSync('strace', args, { env: scene.env, encoding: 'utf8' });
    expect(status).toBe(0);
    // busybox is started once, and so is every shell.
    expect(stderr.match(/^.*(fork|clone|execve)\(.*= (?!-1)/gm)).toHaveLength(1);
  });

  it('of another file does not', async () => {
    const other = await scene.cluster.add({ number: 8 });
    expectRefused(`pg_wal/${other.name}`);
    expectRefused('pg_wal/nonsense');
    expectRefused('');
    const away = join(folder, scene.name);
    await copyFile(scene.path, away);
    await copyTime(await stat(scene.path, { bigint: true }), away);
    expectRefused(away);
  });

  it('does not outlive its daemon', async () => {
    await scene.close();
    expectRefused();
  });

  it('is not taken from another process that happens to have its pid', async () => {
    const { pid = 0, kill } = await sleepingProcess();
    try {
      await scene.publish({ pid });
      expectRefused();
    } finally {
      kill();
    }
  });

  it('is not taken from a copy of the spool', async () => {
    const copy = join(folder, 'copy');
    await mkdir(join(copy, 'out'), { recursive: true });
    for (const name of ['daemon', 'daemon.lock']) await copyFile(join(scene.spool, name), join(copy, name));
    await copyModified(await stat(scene.path, { bigint: true }), markerPath(join(copy, 'out'), scene.name));
    expectRefused(undefined, { PGARC_SPOOL: copy });
  });

  it('is not taken for a cluster that was initialised anew, whatever the clock says', async () => {
    const times = await stat(scene.path, { bigint: true });
    await scene.cluster.renew();
    const { path } = await scene.cluster.add({ number: 7, seed: 'another cluster' });
    expectRefused();
    // Even when the new segment has the very time of the old one.
    await copyTime(times, path);
    expectRefused();
  });

  it('is not taken for a segment that is older or newer than the one that was stored', async () => {
    const { mtimeMs } = await stat(scene.path);
    for (const seconds of [-3600, -1, 1, 3600]) {
      const time = mtimeMs / 1000 + seconds;
      await utimes(scene.path, time, time);
      expectRefused();
    }
  });

  it.runIf(shell[0] !== 'busybox')('is compared to the nanosecond', async () => {
    const { mtimeNs } = await stat(scene.path, { bigint: true });
    for (const off of [-1n, 1n]) {
      await copyTime({ mtimeNs: mtimeNs + off }, scene.path);
      expectRefused();
    }
    await copyTime({ mtimeNs }, scene.path);
    expectTaken();
  });

  it('is not taken when the environment names another store', async () => {
    expectRefused(undefined, { PGARC_STORE: 'file:///another' });
    expectRefused(undefined, { PGARC_S3_ENDPOINT: 'http://another' });
    expectRefused(undefined, { PGARC_CONFIG: join(folder, 'other.yaml') });
    expectRefused(undefined, { PGARC_DAEMON: 'no' });
    expectTaken(undefined, { AWS_ENDPOINT: '', PGDATA: '/somewhere' });
  });

  it('is not taken when the settings file changed, came or went', async () => {
    const file = scene.env.PGARC_CONFIG!;
    await writeFile(file, 'log-level: debug\n');
    expectRefused();
    const was = await stat(file, { bigint: true });
    await scene.holdSettings();
    expectTaken();
    await writeFile(file, 'store: file:///another\n');
    await copyTime({ mtimeNs: was.mtimeNs - 3_600_000_000_000n }, file);
    expectRefused();
    await copyTime({ mtimeNs: was.mtimeNs + 2_000_000_000n }, file);
    expectRefused();
    await rm(file);
    expectRefused();
  });

  it('is not taken when the settings file was replaced by one of the same time', async () => {
    const file = scene.env.PGARC_CONFIG!;
    const [mine, other] = [join(folder, 'mine.yaml'), join(folder, 'other.yaml')];
    for (const path of [mine, other]) {
      await writeFile(path, `store: file:///${path}\n`);
      // As on systems whose images are made to be the same each time.
      await utimes(path, 1, 1);
    }
    await symlink(mine, file);
    await scene.holdSettings();
    expectTaken();
    const replace = async (make: (path: string) => Promise<void>) => {
      await make(`${file}.new`);
      await rename(`${file}.new`, file);
    };
    await replace((path) => symlink(other, path));
    expectRefused();
    await replace((path) => link(mine, path));
    expectTaken();
    await replace((path) => link(other, path));
    expectRefused();
    // A state without the descriptor is that of an older daemon.
    const state = join(scene.spool, 'daemon');
    await replace((path) => link(mine, path));
    await writeFile(state, (await readFile(state, 'utf8')).replace(/ \d+\n/, '\n'));
    expectRefused();
    await rm(file);
    await rm(join(scene.spool, 'daemon.settings'));
    expectRefused();
  });

  it('is not taken with options, which may name another store', () => {
    const [program, ...rest] = shell;
    for (const args of [
      ['--store', 'file:///x', 'wal-push', scene.path],
      ['wal-push', scene.path, '--store', 'file:///x'],
      ['wal-push', '--', scene.path],
    ]) {
      expect(spawnSync(program!, [...rest, PGARC, ...args], { env: scene.env }).status).toBe(ASKED_NODE);
    }
  });

  it('is not needed: a state that is torn, gone or nonsense is passed over in silence', async () => {
    for (const text of [
      '',
      '1',
      `${process.pid} 1 2\n/x`,
      'a b c\nd\ne\n',
      '\0\0\n',
      '; exit 0 #\n$(exit)\n`exit`\n',
    ]) {
      await writeFile(join(scene.spool, 'daemon'), text);
      expectRefused();
    }
    await rm(join(scene.spool, 'daemon'));
    await mkdir(join(scene.spool, 'daemon'));
    expectRefused();
    expectRefused(undefined, { PGARC_SPOOL: '/nowhere' });
  });

  it('is not invented when there is no way to ask, whatever the environment holds', async () => {
    const { path } = await scene.cluster.add({ number: 9 });
    const shadows = [
      'answer=200',
      'signalled=',
      'daemon=1',
      'cluster=/',
      'theirs=x',
      'own=x',
      'child=1',
      'code=0',
    ];
    for (const redirection of ['', '2>&-', '>&- 2>&- <&-']) {
      const script = `exec ${shell.join(' ')} '${PGARC}' wal-push "$1" ${redirection}`;
      const env = { ...scene.env, ...Object.fromEntries(shadows.map((pair) => pair.split('='))) };
      expect(spawnSync('sh', ['-c', script, 'sh', path], { env, encoding: 'utf8' }).status).toBe(ASKED_NODE);
    }
  });

  it('is found in the spool of the settings file, or of the home folder', async () => {
    const file = scene.env.PGARC_CONFIG!;
    const plain = join(await makeTemporaryFolder('plain'), 'spool');
    await rename(scene.spool, plain);
    await symlink(plain, scene.spool);
    const settle = async (text: string) => {
      await writeFile(file, text);
      await scene.holdSettings();
    };
    const unset = { PGARC_SPOOL: '' };
    await settle(`# spool: /no\nlog-level: info\nspool:   ${plain}  \nscope: x\n`);
    expectTaken(undefined, unset);
    // Without an end of the last line.
    await settle(`scope: x\nspool: ${plain}`);
    expectTaken(undefined, unset);
    for (const written of [`"${plain}"`, `${plain} # mine`, 'relative', '/a b', '|']) {
      await settle(`spool: ${written}\n`);
      expectRefused(undefined, unset);
    }
    await settle('log-level: info\n');
    const home = await makeTemporaryFolder('home');
    await mkdir(join(home, '.local/state'), { recursive: true });
    await symlink(plain, join(home, '.local/state/pgarc'));
    await symlink(plain, join(home, 'pgarc'));
    expectTaken(undefined, { ...unset, HOME: home });
    expectTaken(undefined, { ...unset, HOME: '/nowhere', XDG_STATE_HOME: home });
    expectRefused(undefined, { ...unset, HOME: '' });
  });
});

async function copyTime({ mtimeNs }: { mtimeNs: bigint }, path: string): Promise<void> {
  const { loadNative } = await import('../../../src/system/native.ts');
  const handle = await open(path, 'r+');
  expect((await loadNative())?.setModified(handle.fd, mtimeNs)).toBe(true);
  await handle.close();
}

async function sleepingProcess() {
  const { spawn } = await import('node:child_process');
  const child = spawn('sleep', ['600']);
  return { pid: child.pid, kill: () => child.kill() };
}
