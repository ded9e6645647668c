import { describe, expect, test } from 'vitest';
import { killAt, killWithin, type Moment } from '../support/kill.ts';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore, STORE_KINDS, type TestStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

/** A backup may be over before it can be killed at a late moment; then another one is tried. */
const ATTEMPTS = 10;

const told =
  (text: string): Moment =>
  (stderr) =>
    stderr.includes(text);

/** Where a backup is killed, in the order of its way. */
function momentsOf(store: TestStore): Record<string, Moment> {
  return {
    'it connects': told('connecting to PostgreSQL'),
    'it starts': told('starting the backup'),
    // What those before have left is removed before that.
    'its name is claimed': async (stderr) =>
      stderr.includes('starting the backup') && (await store.keys('pgarc/running/')).length > 0,
    'it copies': told('copying '),
    'a part is stored': async (stderr) => stderr.includes('copying ') && (await hasUnfinishedPart(store)),
    'it stops': told('stopping the backup'),
    'it waits for WAL': told('waiting for the last WAL'),
  };
}

async function hasUnfinishedPart({ keys }: TestStore): Promise<boolean> {
  const all = await keys('basebackups_005/');
  const parts = all.filter((key) => key.includes('/part_')).map((key) => /base_[0-9A-F]{24}/.exec(key)![0]);
  return parts.some((name) => !all.some((key) => key.includes(name) && key.endsWith('_sentinel.json')));
}

async function countSentinels({ keys }: TestStore): Promise<number> {
  return (await keys('basebackups_005/')).filter((key) => key.endsWith('_sentinel.json')).length;
}

/** The server has noticed that the one before is dead: until then it refuses another backup. */
async function untilNoSession(server: TestPostgres): Promise<void> {
  const sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgarc'";
  await waitFor(async () => (await server.value(sessions)) === '0', { what: 'the end of the session' });
}

describe.each(STORE_KINDS)('kill -9 of backup-push on %s', (kind) => {
  test('leaves nothing that is taken for a backup, and the next one is good', async () => {
    const store = await makeStore(kind);
    const { env } = store;
    const server = await startPostgres({ archive: true, env });
    await fillPgbench(server, 6);
    const ledger = await startLedger(server);
    const push = ['backup-push', server.dataDir];
    const pushEnv = { env: { ...env, ...server.env } };
    await mustRunPgarc(push, pushEnv);
    const listed = async () => JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    expect(await countSentinels(store)).toBe(1);

    const missed: string[] = [];
    for (const [name, moment] of Object.entries(momentsOf(store))) {
      const isKilled = await killWithin(ATTEMPTS, async () => {
        await untilNoSession(server);
        return killAt(push, moment, pushEnv);
      });
      if (!isKilled) missed.push(name);
    }
    expect(missed).toEqual([]);
    expect(JSON.stringify(await listed())).toContain('base_');
    // Whatever is listed, killed or not, must be whole.
    await mustRunPgarc(['verify'], { env });

    await untilNoSession(server);
    await mustRunPgarc(push, pushEnv);
    await ledger.grow(20);
    const last = await ledger.stop();
    await server.archiveAll();
    await server.kill();
    const { dataDir } = await restore(env);
    await verifyRestored(dataDir);
    const restored = await startRestored(dataDir, env);
    expect(await readLedger(restored)).toEqual({ last, whole: true });
  });
});
