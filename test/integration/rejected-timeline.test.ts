import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { restore, startRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

test.each(['direct', 'daemon'])(
  'a standby goes on where it was when a copy leaves its timeline at an earlier moment (%s)',
  async (way) => {
    const { env, keys } = await makeStore('folder');
    const primary = await startPostgres({ archive: true, env });
    await primary.query('CREATE TABLE writes (n int)');
    const write = async (n: number) => {
      await primary.query('INSERT INTO writes VALUES ($1)', [n]);
      await primary.archiveAll();
    };
    await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...env, ...primary.env } });
    await write(1);
    await primary.query("SELECT pg_create_restore_point('before')");
    await write(2);
    await write(3);

    const { dataDir } = await restore(env, ['--standby']);
    const own = { ...env, PGDATA: dataDir, PGARC_SPOOL: await makeTemporaryFolder('spool') };
    const daemon = way === 'daemon' ? await startDaemon(own) : undefined;
    const settings = { wal_retrieve_retry_interval: '200ms' };
    const standby = await startPostgres({ dataDir, env: own, settings, archive: true });
    const replayed = (last: number) =>
      waitFor(async () => (await standby.value('SELECT max(n) FROM writes')) === `${last}`, {
        what: `row ${last}`,
        timeout: 60_000,
      });
    await replayed(3);

    const target = ['--target-name', 'before', '--target-action', 'promote'];
    const copy = await startRestored((await restore(env, target)).dataDir, env, { archive: true });
    await waitFor(async () => (await keys('wal_005/')).some((key) => key.includes('00000002.history')));
    await waitFor(async () => (await standby.log()).includes('before current recovery point'), {
      what: 'the standby to reject timeline 2',
    });
    for (const n of [4, 5, 6]) await write(n);
    await replayed(6);
    await copy.query('INSERT INTO writes VALUES (-1)');
    await copy.archiveAll();
    for (const n of [7, 8]) await write(n);
    await replayed(8);

    await standby.promote();
    expect(await standby.value("SELECT string_agg(n::text, ' ' ORDER BY n) FROM writes")).toBe(
      '1 2 3 4 5 6 7 8',
    );
    const log = await standby.log();
    expect(log).toContain('selected new timeline ID: 3');
    expect(log).not.toMatch(/this server follows|PANIC/);
    await standby.stop();
    await daemon?.stop();
  },
);
