import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import type { PatroniNode } from '../support/patroni-node.ts';
import { ROOT } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';

let cluster: PatroniCluster;
let node: PatroniNode;

beforeAll(async () => {
  cluster = await makePatroniCluster({
    nodes: 1,
    env: { WAL_S3_BUCKET: undefined, RESTART_LIMIT: '2', SYNCHRONOUS_MODE: 'false' },
  });
  node = cluster.nodes[0]!;
});

async function askHealth(...args: string[]) {
  const program = join(ROOT, 'images/patroni/health');
  return runProgram(...node.place.inside(program, args), {
    env: { STATE_DIR: node.stateDir, PATRONI_RESTAPI_LISTEN: node.env.PATRONI_RESTAPI_LISTEN },
    asPostgres: false,
  });
}

test('without an archive the cluster works, and that there is none is said loudly', async () => {
  node.start();
  expect(await cluster.leader()).toBe(node);
  expect(await node.log()).toContain('WARNING: NO ARCHIVE');
  expect(await node.value('SHOW archive_mode')).toBe('off');
  await node.query('CREATE TABLE t AS SELECT 1 AS id');
  expect((await askHealth()).code).toBe(0);
  expect((await askHealth('ready')).code).toBe(0);
});

test('a restart keeps the data', async () => {
  expect(await node.stop()).toBe(0);
  node.start();
  await cluster.leader();
  expect(await node.value('SELECT id FROM t')).toBe('1');
});

test('data that is gone at every start is a loop: it is stopped until somebody says so', async () => {
  const since = (await node.log()).length;
  // The first start of all was with an empty directory too.
  for (let start = 0; start < 2; start++) {
    await node.stop();
    await node.wipe();
    node.start();
    if (start === 0) await node.logged(/waiting for leader to bootstrap|trying to bootstrap/, since);
  }
  await node.logged('STOPPED: the data directory was empty at more than 2 starts within 600 s', since);
  expect(await readdir(node.dataDir)).toEqual([]);
  const health = await askHealth();
  expect(health.code).toBe(1);
  expect(health.stdout).toContain('the data directory was empty');
  expect((await node.processes()).some(({ command }) => command.includes('patroni.yml'))).toBe(false);

  // A restart of the container changes nothing.
  expect(await node.stop()).toBe(0);
  const later = (await node.log()).length;
  node.start();
  await node.logged('STOPPED:', later);

  await rm(join(node.stateDir, 'halted'));
  await node.logged('going on', later);
  await node.logged(/waiting for leader to bootstrap|trying to bootstrap/, later);
  await expect(access(join(node.stateDir, 'halted'))).rejects.toThrow();
});
