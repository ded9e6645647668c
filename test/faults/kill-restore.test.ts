import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { killAt, killWithin, type Moment } from '../support/kill.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeRestoreTarget, restore, verifyRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';

/** A restore may be over before it can be killed at a late moment; then another one is tried. */
const ATTEMPTS = 10;

const countFiles = async (dataDir: string) =>
  (await readdir(dataDir, { recursive: true }).catch(() => [])).length;

/** Where a restore is killed, in the order of its way; `whole` is how many files a complete one has. */
function momentsOf(dataDir: string, whole: number): Record<string, Moment> {
  return {
    'it begins': (stderr) => stderr.includes('restoring base_'),
    'there are directories': () => existsSync(join(dataDir, 'base')),
    'there is a tenth of the files': async () => (await countFiles(dataDir)) > whole / 10,
    'there is half of the files': async () => (await countFiles(dataDir)) > whole / 2,
    'it makes them durable': (stderr) => stderr.includes('making it durable'),
  };
}

test('kill -9 of backup-fetch leaves a directory that cannot be started, or a whole one', async () => {
  const { env } = await makeStore('folder');
  const server = await startPostgres({ archive: true, env });
  await fillPgbench(server, 6);
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  await server.stop();
  const whole = await countFiles((await restore(env)).dataDir);

  let partial = 0;
  const missed: string[] = [];
  for (const name of Object.keys(momentsOf('', whole))) {
    let dataDir = '';
    const isKilled = await killWithin(ATTEMPTS, async () => {
      dataDir = await makeRestoreTarget();
      return killAt(['backup-fetch', dataDir, 'LATEST'], momentsOf(dataDir, whole)[name]!, { env });
    });
    if (!isKilled) missed.push(name);
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
  expect(missed).toEqual([]);
  expect(partial).toBeGreaterThan(0);
});
