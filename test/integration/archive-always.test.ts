import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PGARC } from '../support/pgarc.ts';
import { startPostgres, startStandby } from '../support/postgres.ts';
import { makeStore } from '../support/stores.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

test('a standby with archive_mode=always archives on across a failover in the middle of a segment', async () => {
  const { env, keys, read } = await makeStore('folder');
  const primary = await startPostgres({ archive: true, env, settings: { autovacuum: 'off' } });
  const gate = join(await makeTemporaryFolder('gate'), 'open');
  const command = `while ! test -e ${gate}; do sleep 0.1; done; ${PGARC} wal-push %p`;
  const successor = await startStandby(primary, { env, settings: { wal_keep_size: '256MB' } });
  const standby = await startStandby(successor, {
    env: { ...env, PGARC_SPOOL: await makeTemporaryFolder('spool') },
    settings: { archive_mode: 'always', archive_command: command },
  });
  await primary.query('CREATE TABLE writes (n int)');
  await waitFor(async () => (await standby.value("SELECT to_regclass('writes')")) !== '', {
    what: 'the table on the standby',
  });
  const segment = await primary.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
  await successor.promote();
  await waitFor(async () => (await standby.log()).includes('new target timeline is 2'), {
    what: 'the standby to follow its primary',
  });
  // The old primary goes on alone, and archives the segment first, with more than its successor took over.
  await primary.query('INSERT INTO writes SELECT generate_series(1, 1000)');
  await primary.archiveAll();
  const key = `wal_005/${segment}.lz4`;
  expect(await keys('wal_005/')).toContain(key);
  const stored = await read(key);
  await primary.stop();

  await writeFile(gate, '');
  await successor.query('INSERT INTO writes VALUES (0)');
  await successor.query('SELECT pg_switch_wal()');
  const next = `00000002${segment.slice(8)}`;
  await waitFor(async () => (await keys('wal_005/')).includes(`wal_005/${next}.lz4`), {
    what: `${next} in the archive; the standby says:\n${await standby.log()}`,
    timeout: 90_000,
  });
  expect(await standby.log()).toContain(`${segment} counts as archived`);
  expect((await read(key)).equals(stored)).toBe(true);
});
