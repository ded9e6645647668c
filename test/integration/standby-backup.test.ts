import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres, startStandby } from '../support/postgres.ts';
import { restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

test('a backup taken from a standby, while its primary writes, brings everything back', async () => {
  const { env } = await makeStore('folder');
  const primary = await startPostgres({ archive: true, env, settings: { archive_timeout: 2 } });
  await fillPgbench(primary, 2);
  const standby = await startStandby(primary, { archive: true, env });
  const ledger = await startLedger(primary);
  await ledger.grow(50);
  await mustRunPgarc(['backup-push', standby.dataDir], { env: { ...env, ...standby.env } });
  await ledger.grow(50);
  const last = await ledger.stop();
  await primary.archiveAll();
  await standby.stop();
  await primary.kill();

  const { dataDir } = await restore(env);
  await verifyRestored(dataDir);
  await mustRunPgarc(['verify'], { env });
  expect(await readFile(join(dataDir, 'backup_label'), 'utf8')).toContain('BACKUP FROM: standby');
  const restored = await startRestored(dataDir, env);
  expect(await readLedger(restored)).toEqual({ last, whole: true });
  expect(await restored.value('SELECT count(*) FROM pgbench_accounts')).toBe('200000');
});

test('a promotion in the midst of it ends the backup and leaves nothing that looks like one', async () => {
  const { env, keys } = await makeStore('folder');
  const primary = await startPostgres({ archive: true, env, settings: { archive_timeout: 2 } });
  await fillPgbench(primary, 20);
  const standby = await startStandby(primary, { archive: true, env });
  const running = startPgarc(['backup-push', standby.dataDir], { env: { ...env, ...standby.env } });
  await waitFor(
    async () => (await keys('basebackups_005/')).some((key) => key.includes('/tar_partitions/')),
    {
      what: 'the first part',
      interval: 2,
    },
  );
  await standby.promote();
  const result = await running.result;
  // Quick as it is, it may have been done before; then the backup is whole.
  const sentinels = (await keys('basebackups_005/')).filter((key) => key.endsWith('_sentinel.json'));
  if (result.code === 0) expect(sentinels).toHaveLength(1);
  else {
    expect(result.stderr).toMatch(/promot|timeline|recovery/);
    expect(sentinels).toEqual([]);
    expect((await runPgarc(['backup-list', '--json'], { env })).code).toBe(0);
  }
});
