import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore, STORE_KINDS } from '../support/stores.ts';

describe.each(STORE_KINDS)('kill -9 of backup-push on %s', (kind) => {
  test('leaves nothing that is taken for a backup, and the next one is good', async () => {
    const { env, keys } = await makeStore(kind);
    const server = await startPostgres({ archive: true, env });
    await fillPgbench(server, 6);
    const ledger = await startLedger(server);
    const push = ['backup-push', server.dataDir];
    const pushEnv = { env: { ...env, ...server.env } };
    const { durationMs } = await mustRunPgarc(push, pushEnv);
    const listed = async () => JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    const before = (await keys('basebackups_005/')).filter((key) => key.endsWith('_sentinel.json')).length;
    expect(before).toBe(1);

    let killed = 0;
    for (const moment of [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97]) {
      const running = startPgarc(push, pushEnv);
      await sleep(durationMs * moment);
      running.child.kill('SIGKILL');
      const result = await running.result;
      if (result.signal === 'SIGKILL') killed += 1;
    }
    expect(killed).toBeGreaterThan(2);
    expect(JSON.stringify(await listed())).toContain('base_');
    // Whatever is listed, killed or not, must be whole.
    await mustRunPgarc(['verify'], { env });

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
