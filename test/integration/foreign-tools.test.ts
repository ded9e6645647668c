import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc, ROOT } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeRestoreTarget, startRestored, verifyRestored } from '../support/restore.ts';
import { mustRun } from '../support/run.ts';
import { makeStore } from '../support/stores.ts';

test('what pgarc wrote is restored with lz4, tar and jq alone', async () => {
  const { env } = await makeStore('folder');
  const store = env.PGARC_STORE!.replace('file://', '');
  const server = await startPostgres({ archive: true, env });
  await fillPgbench(server, 3);
  const longName = `long_${'n'.repeat(50)}`;
  await server.query(`CREATE DATABASE ${longName}`);
  const ledger = await startLedger(server);
  await ledger.grow(30);
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  await ledger.grow(30);
  const last = await ledger.stop();
  await server.archiveAll();
  const control = await server.tool('pg_controldata', ['-D', server.dataDir]);
  await server.kill();

  const dataDir = await makeRestoreTarget();
  const output = await mustRun(join(ROOT, 'test/read-with-plain-tools.sh'), [store, dataDir]);
  const [name, identifier, start, finish] = output.trimEnd().split('\n');
  expect(name).toMatch(/^base_[0-9A-F]{24}$/);
  expect(control).toMatch(new RegExp(`system identifier: +${identifier?.split('=')[1]}\n`));
  const [startLsn, finishLsn] = [start, finish].map((text) => BigInt(text?.split('=')[1] ?? 0));
  expect(finishLsn).toBeGreaterThan(startLsn ?? 0n);

  await copyFile(join(store, 'basebackups_005', name!, 'backup_manifest'), join(dataDir, 'backup_manifest'));
  await verifyRestored(dataDir);
  const restored = await startRestored(dataDir, env);
  expect(await readLedger(restored)).toEqual({ last, whole: true });
  expect(await restored.value('SELECT count(*) FROM pgbench_accounts')).toBe('300000');
});
