import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type ComposeShim, makeComposeShim } from '../support/compose-shim.ts';
import { makePatroniCluster, type PatroniCluster } from '../support/patroni-cluster.ts';
import { ROOT } from '../support/pgarc.ts';
import { freePort } from '../support/ports.ts';
import { type RunResult, runProgram } from '../support/run.ts';
import { waitFor } from '../support/wait.ts';

const TUTORIAL = `${ROOT}/images/tutorial`;
const minutes = 60_000;

let cluster: PatroniCluster;
let shim: ComposeShim;

beforeAll(async () => {
  cluster = await makePatroniCluster({ nodes: 0, scope: 'tutorial' });
  for (const name of ['node1', 'node2', 'node3']) await cluster.addNode(name);
  for (const node of cluster.nodes) node.start();
  shim = await makeComposeShim(cluster.nodes);
  await cluster.whole();
  await waitFor(
    async () => (await cluster.keys('basebackups_005/')).some((key) => key.endsWith('_sentinel.json')),
    { what: 'the first backup', timeout: 2 * minutes },
  );
}, 5 * minutes);

/** Runs a script of the tutorial as a reader does, with another COMPOSE. */
async function walk(script: string, ...args: string[]): Promise<RunResult> {
  return runProgram(join(TUTORIAL, script), args, {
    asPostgres: false,
    env: { COMPOSE: shim.program, PORT: String(await freePort()) },
    timeout: 4 * minutes,
  });
}

async function mustWalk(script: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await walk(script, ...args);
  expect(code, `${script} ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

test('s3-contents lists the backups and every object', async () => {
  const output = await mustWalk('s3-contents');
  expect(output).toMatch(/base_0{7}1\d+/);
  const objects = await cluster.keys('basebackups_005/');
  for (const key of objects) expect(output).toContain(`backups/tutorial/wal/${key}`);
  expect(output).toMatch(/\d+ +bytes in \d+ objects/);
  const part = await mustWalk('s3-contents', 'basebackups_005');
  expect(part).toContain(`in ${objects.length} objects`);
  expect(output).not.toContain(cluster.minio.secretKey);
});

test('restore-to brings a dropped table back, beside the cluster', async () => {
  const leader = await cluster.leader();
  await leader.value('CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id');
  const moment = await leader.value("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.USOF')");
  await leader.value('DROP TABLE orders');
  // The end of the moment's segment has to be in the archive.
  const segment = await leader.value('SELECT pg_walfile_name(pg_switch_wal())');
  await waitFor(async () => (await cluster.keys(`wal_005/${segment}`)).length > 0, {
    what: `${segment} in the archive`,
    timeout: 2 * minutes,
  });
  const output = await mustWalk('restore-to', leader.name, moment, 'SELECT count(*) FROM orders');
  expect(output).toMatch(/^\s*1000$/m);
  expect(await leader.value("SELECT to_regclass('orders') IS NULL")).toBe('true');
  expect(await mustWalk('restore-to', '--remove', leader.name)).toContain('removed');
  const left = (await leader.processes()).filter(({ command }) => command.includes('restored'));
  expect(left).toEqual([]);
});

test('failover, rejoin and reinit do what they say', async () => {
  const old = await cluster.whole();
  const killed = await mustWalk('failover');
  const next = await cluster.leader(old);
  expect(killed).toContain(`Killing ${old.name}`);
  expect(killed).toMatch(new RegExp(`${next.name} leads, after \\d+ s`));
  expect(await mustWalk('rejoin', old.name)).toContain(`${old.name} follows ${next.name}`);
  await cluster.whole();

  const refused = await walk('reinit', next.name);
  expect({ code: refused.code, stderr: refused.stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('name a replica'),
  });
  const made = await mustWalk('reinit', old.name);
  // Why the replica came from the archive, or from the leader.
  expect(made).toMatch(/replicaDecision verdict=\w+ .*using the archive/);
  expect(made).toContain(`${old.name} follows ${next.name}`);
  await cluster.whole();
});

test('clean-up asks to be sure', async () => {
  expect((await walk('clean-up')).code).toBe(1);
  expect(shim.asked.filter((line) => line.startsWith('down'))).toEqual([]);
  await mustWalk('clean-up', '--yes');
  expect(shim.asked.at(-1)).toBe('down --volumes --remove-orphans');
});

test('every script of the tutorial is run here', () => {
  const scripts = readdirSync(TUTORIAL, { withFileTypes: true }).filter((entry) => entry.isFile());
  const names = scripts.map(({ name }) => name).filter((name) => !name.includes('.'));
  expect(names.sort()).toEqual(['clean-up', 'failover', 'reinit', 'rejoin', 'restore-to', 's3-contents']);
});
