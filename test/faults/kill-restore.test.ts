import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeRestoreTarget, restore, verifyRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';

test('kill -9 of backup-fetch leaves a directory that cannot be started, or a whole one', async () => {
  const { env } = await makeStore('folder');
  const server = await startPostgres({ archive: true, env });
  await fillPgbench(server, 6);
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  await server.stop();
  const { result } = await restore(env);

  let partial = 0;
  for (const moment of [0.3, 0.5, 0.7, 0.85, 0.95]) {
    const dataDir = await makeRestoreTarget();
    const running = startPgarc(['backup-fetch', dataDir, 'LATEST'], { env });
    await sleep(result.durationMs * moment);
    running.child.kill('SIGKILL');
    await running.result;
    if (existsSync(join(dataDir, 'global/pg_control'))) {
      await verifyRestored(dataDir);
    } else if (existsSync(join(dataDir, 'base'))) {
      partial += 1;
      const again = await runPgarc(['backup-fetch', dataDir, 'LATEST'], { env });
      expect(again.code, again.stderr).toBe(4);
      const start = server.tool('postgres', ['-D', dataDir]);
      await expect(start, 'a start').rejects.toThrow();
    }
  }
  expect(partial).toBeGreaterThan(0);
});
