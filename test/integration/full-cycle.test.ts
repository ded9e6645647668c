import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { expectPgbenchBalanced, fillPgbench, startPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { amcheck, restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore, STORE_KINDS } from '../support/stores.ts';

describe.each(STORE_KINDS)('the full cycle on %s', (kind) => {
  test('every committed row is back after the machine is lost, at the end and at a moment', async () => {
    const { env, keys } = await makeStore(kind);
    const server = await startPostgres({ archive: true, env });
    await fillPgbench(server, 4);
    const stopPgbench = startPgbench(server);
    const ledger = await startLedger(server);
    await ledger.grow(100);
    await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
    await ledger.grow(100);
    const moment = await ledger.remember();
    await ledger.grow(100);
    await server.query('SELECT pg_switch_wal()');
    await ledger.grow(100);
    await stopPgbench();
    const last = await ledger.stop();
    await server.archiveAll();
    await server.kill();
    await rm(server.dataDir, { recursive: true });
    expect((await keys('basebackups_005/')).filter((key) => key.endsWith('_sentinel.json'))).toHaveLength(1);

    const atEnd = await restore(env);
    await verifyRestored(atEnd.dataDir);
    const newest = await startRestored(atEnd.dataDir, env);
    expect(await readLedger(newest)).toEqual({ last, whole: true });
    await expectPgbenchBalanced(newest);
    await amcheck(newest);
    await newest.stop();

    const target = ['--target-time', moment.time, '--target-action', 'promote'];
    const atMoment = await restore(env, target);
    await verifyRestored(atMoment.dataDir);
    const then = await startRestored(atMoment.dataDir, env);
    const found = await readLedger(then);
    expect(found.whole).toBe(true);
    expect(found.last).toBeGreaterThanOrEqual(moment.committed);
    expect(found.last).toBeLessThanOrEqual(moment.sent);
    await expectPgbenchBalanced(then);
    await amcheck(then);
  });
});
