import { execFileSync, spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd } from '../support/cleanup.ts';
import { makePatroniCluster } from '../support/patroni-cluster.ts';
import { ROOT } from '../support/pgarc.ts';
import { waitFor } from '../support/wait.ts';

/** Building takes longer than all other tests of clusters: only where somebody asks for it. */
const isWanted = process.env.PGARC_TEST_IMAGES === 'yes';
const STORE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pgarc/images');
const STORAGE = ['--root', `${STORE}/storage`, '--runroot', `${STORE}/run`, '--storage-driver', 'vfs'];

test.runIf(isWanted)('the image is built, and a node runs from it', { timeout: 1_800_000 }, async () => {
  const image = execFileSync(join(ROOT, 'scripts/build-image'), ['patroni'], { encoding: 'utf8' }).trim();
  const cluster = await makePatroniCluster({ nodes: 0, env: { SYNCHRONOUS_MODE: 'false' } });
  const node = await cluster.addNode('image1');
  // What belongs to a process outside of a container.
  const { PG_DATA_DIR, PG_BIN_DIR, PG_SOCKET_DIR, RUN_DIR, STATE_DIR, PGARC, PGARC_SPOOL, ...env } = node.env;
  const container = execFileSync('buildah', [...STORAGE, 'from', '--pull-never', image], {
    encoding: 'utf8',
  }).trim();
  const [file, args] = node.place.inside('buildah', [
    ...STORAGE,
    ...['run', '--isolation', 'chroot', '--network', 'host', '--user', 'postgres'],
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...[container, '--', 'tini', '--', '/opt/patroni/entrypoint'],
  ]);
  const running = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [running.stdout, running.stderr]) {
    stream.on('data', (text) => {
      output += text;
    });
  }
  const ended = new Promise((resolve) => running.once('exit', resolve));
  atEnd(async () => {
    running.kill('SIGTERM');
    await ended;
    execFileSync('buildah', [...STORAGE, 'rm', container]);
  });
  await waitFor(
    async () => {
      if (running.exitCode !== null) throw new Error('it has ended');
      return (await cluster.keys('basebackups_005/')).some((key) => key.endsWith('_sentinel.json'));
    },
    { what: 'the first backup of the node', timeout: 120_000 },
  ).catch((error) => {
    throw new Error(`${error.message}; it said:\n${output.slice(-5000)}`, { cause: error });
  });
  expect(await node.value('SHOW archive_command')).toBe(`'/usr/local/bin/pgarc' wal-push "%p"`);
  expect((await node.ask('/primary')).status).toBe(200);
});
