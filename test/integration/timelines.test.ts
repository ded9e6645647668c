import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc, PGARC, runPgarc } from '../support/pgarc.ts';
import { startPostgres, startStandby } from '../support/postgres.ts';
import { makeRestoreTarget, restore, startRestored } from '../support/restore.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeStore } from '../support/stores.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
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

test.each(['direct', 'daemon'])(
  'a replaced primary’s late WAL leads nobody astray who follows its successor (%s)',
  async (way) => {
    const { env, keys } = await makeStore('folder');
    const primary = await startPostgres({ archive: true, env });
    await primary.query('CREATE TABLE writes (who text)');
    await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...env, ...primary.env } });
    // The successor archives its history, but no segment: it died early, or is slow.
    const command = `case %f in *.history) ${PGARC} wal-push %p;; *) exit 1;; esac`;
    const standby = await startStandby(primary, {
      env,
      settings: { archive_mode: 'on', archive_command: command },
    });
    await primary.query("INSERT INTO writes VALUES ('both')");
    await waitFor(async () => (await standby.value('SELECT count(*) FROM writes')) === '1');
    await standby.promote();
    await waitFor(async () => (await keys('wal_005/')).some((key) => key.includes('00000002.history')));
    await primary.query("INSERT INTO writes VALUES ('lost')");
    await primary.archiveAll();
    await primary.query("INSERT INTO writes VALUES ('lost')");
    await primary.archiveAll();
    await standby.stop();

    const writes = async (args: string[]) => {
      const { dataDir } = await restore(env, [...args, '--target-action', 'promote']);
      const spool = { ...env, PGDATA: dataDir, PGARC_SPOOL: await makeTemporaryFolder('spool') };
      const daemon = way === 'daemon' ? await startDaemon(spool) : undefined;
      const restored = await startRestored(dataDir, spool);
      const found = await restored.query<{ who: string }>('SELECT who FROM writes');
      const log = await restored.log();
      await restored.stop();
      await daemon?.stop();
      return { found: found.map(({ who }) => who), log };
    };
    const followed = await writes([]);
    expect(followed.found).toEqual(['both']);
    expect(followed.log).toContain('whose history leaves timeline 1 at');
    // Whoever asks for the other branch gets all of it.
    expect((await writes(['--target-timeline', '1'])).found).toEqual(['both', 'lost', 'lost']);
  },
);

test.each(['direct', 'daemon'])(
  'a segment that two timelines were left in is archived and restored, and none in its place (%s)',
  async (way) => {
    const store = await makeStore('folder');
    const dataDir = join(await makeTemporaryFolder('pg'), 'data');
    const env = { ...store.env, PGDATA: dataDir };
    const server = await startPostgres({ newDataDir: dataDir, archive: true, env });
    const daemon = way === 'daemon' ? await startDaemon(env) : undefined;
    await server.archiveAll();
    await appendFile(join(dataDir, 'postgresql.auto.conf'), `restore_command = '${PGARC} wal-fetch %f %p'\n`);
    await server.query('CREATE TABLE first ()');
    // Recovery with nothing to recover leaves each timeline where it stands.
    for (const timeline of [2, 3]) {
      await server.stop('immediate');
      await writeFile(join(dataDir, 'recovery.signal'), '');
      await server.start();
      await waitFor(
        async () => (await server.value('SELECT timeline_id FROM pg_control_checkpoint()')) === `${timeline}`,
        { what: `timeline ${timeline}` },
      );
    }
    const name = await server.value('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
    await server.archiveAll();
    await server.query('CREATE TABLE writes ()');
    await server.archiveAll();
    expect(await server.value('SELECT failed_count FROM pg_stat_archiver')).toBe('0');
    await server.stop();

    const key = `wal_005/${name}.lz4`;
    const bytes = await unpackLz4(await store.read(key));
    expect([name.slice(0, 8), bytes.readUInt32LE(4)]).toEqual(['00000003', 1]);
    const fetch = (to: string) => runPgarc(['wal-fetch', name, to], { cwd: dataDir, env });
    // The history is in pg_wal for the one, in the archive for the other.
    for (const to of [join(dataDir, 'pg_wal/RECOVERYXLOG'), `${dataDir}/../fetched`]) {
      const result = await fetch(to);
      expect(result.code, result.stderr).toBe(0);
      expect((await readFile(to)).equals(bytes)).toBe(true);
    }
    // What timeline 1 wrote of it is good WAL up to where the others begin.
    const [parent = ''] = await store.keys(`wal_005/00000001${name.slice(8)}.partial`);
    await store.write(key, await store.read(parent));
    const swapped = await fetch('pg_wal/RECOVERYXLOG');
    expect(swapped).toMatchObject({ code: 255, stderr: expect.stringContaining('the archive goes on with') });
    await daemon?.stop();
  },
);
