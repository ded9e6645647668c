import { expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { startPostgres, startStandby } from '../support/postgres.ts';
import { makeRestoreTarget, restore, startRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

test('recovery crosses a failover, to moments before and after it and to the end', async () => {
  const { env } = await makeStore('minio');
  const archive = { archive: true, env };
  const primary = await startPostgres(archive);
  await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...env, ...primary.env } });
  const ledger = await startLedger(primary);
  await ledger.grow(50);
  const standby = await startStandby(primary, archive);
  const before = await ledger.remember();
  await ledger.grow(50);
  const atSwitch = await ledger.stop();
  await primary.archiveAll();
  await waitFor(
    async () => (await standby.value('SELECT coalesce(max(id), 0) FROM ledger')) === String(atSwitch),
  );
  await standby.promote();
  // The old primary lives on for a while: what it writes on its timeline is not part of the new one.
  await primary.query("INSERT INTO ledger SELECT i, 'lost' FROM generate_series(1000000, 1000010) AS i");
  await primary.archiveAll();
  await primary.kill();

  const second = await startLedger(standby);
  await second.grow(50);
  const after = await second.remember();
  await second.grow(50);
  const last = await second.stop();
  await standby.archiveAll();
  expect(await standby.value('SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)')).toBe('00000002');

  const promote = ['--target-action', 'promote'];
  for (const moment of [before, after]) {
    const { dataDir } = await restore(env, ['--target-time', moment.time, ...promote]);
    const restored = await startRestored(dataDir, env);
    const found = await readLedger(restored);
    expect(found.whole).toBe(true);
    expect(found.last).toBeGreaterThanOrEqual(moment.committed);
    expect(found.last).toBeLessThanOrEqual(moment.sent);
    await restored.stop();
  }
  const toEnd = await startRestored((await restore(env)).dataDir, env);
  expect(await readLedger(toEnd)).toEqual({ last, whole: true });
  await toEnd.stop();

  // The dead end of timeline 1 can still be reached by its number.
  const deadEnd = await startRestored((await restore(env, ['--target-timeline', '1'])).dataDir, env);
  expect(await deadEnd.value("SELECT count(*) FROM ledger WHERE filler = 'lost'")).toBe('11');
  await deadEnd.stop();

  const verify = await mustRunPgarc(['wal-verify', '--json'], { env });
  expect(JSON.parse(verify.stdout)).toBeTypeOf('object');

  const beyond = await runPgarc(
    ['backup-fetch', await makeRestoreTarget(), 'LATEST', '--target-time', '2099-01-01 00:00:00+00'],
    { env },
  );
  expect(beyond.code, beyond.stderr).toBe(9);
});
