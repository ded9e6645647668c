import { appendFile, chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { formatLsn, parseLsn } from '../../src/postgres/lsn.ts';
import { openFolderStore } from '../../src/store/folder.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { listArchive } from '../../src/wal/archive.ts';
import { resolveTarget, type Target } from '../../src/wal/targets.ts';
import { formatTargetTime, fromDate, parseTimestamp } from '../../src/wal/timestamp.ts';
import type { BackupSpan } from '../../src/wal/window.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';

const { signal } = new AbortController();

let folder: string;
let base: string;
let store: ObjectStore;
let backup: BackupSpan;
/** Row number → the time of its commit, in pg's own words of microseconds. */
let times: Map<number, number>;
let primary: TestPostgres;

/** One cluster, archived by cp; a backup; then rows 1 to 6, each in a transaction; the end is archived. */
beforeAll(async () => {
  folder = await makeTemporaryFolder('targets');
  const archive = await makeOwnedDirectory(join(folder, 'store', 'wal_005'), 0o755);
  await chmod(join(folder, 'store'), 0o755);
  primary = await startPostgres({
    walSegmentSize: 1,
    settings: {
      archive_mode: 'on',
      archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
      track_commit_timestamp: true,
      autovacuum: false,
    },
  });
  await primary.query('CREATE TABLE t (id int)');
  await takeBackup();
  times = new Map();
  for (let id = 1; id <= 6; id++) {
    await primary.query('INSERT INTO t VALUES ($1)', [id]);
    if (id === 3) await primary.query("SELECT pg_create_restore_point('three')");
    const text = await primary.value(
      `SELECT to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
         FROM t WHERE id = $1`,
      [id],
    );
    times.set(id, parseTimestamp(text)!);
    await primary.query('SELECT pg_switch_wal()');
  }
  await primary.archiveAll();
  store = await openFolderStore(join(folder, 'store'), () => undefined);
});

async function takeBackup(): Promise<void> {
  base = join(await makeOwnedDirectory(join(folder, 'copies'), 0o755), 'base');
  const { default: pg } = await import('pg');
  const { PGHOST: host, PGPORT: port, PGUSER: user } = primary.env;
  const client = new pg.Client({ host: host!, port: Number(port), user: user!, database: 'postgres' });
  await client.connect();
  const { rows } = await client.query("SELECT pg_backup_start('test', true)::text AS lsn");
  await mustRun('cp', ['-a', primary.dataDir, base]);
  await rm(join(base, 'postmaster.pid'));
  const stop = await client.query('SELECT lsn::text, labelfile FROM pg_backup_stop(true)');
  await client.end();
  await writeFile(join(base, 'backup_label'), stop.rows[0].labelfile);
  giveAway(join(base, 'backup_label'));
  await mustRun('find', [join(base, 'pg_wal'), '-type', 'f', '-delete']);
  backup = {
    name: 'base',
    timeline: 1,
    startLsn: parseLsn(rows[0].lsn)!,
    finishLsn: parseLsn(stop.rows[0].lsn)!,
    finishTime: new Date(),
    usable: true,
  };
}

async function resolve(target: Target) {
  return resolveTarget(
    { store, archive: await listArchive(store, signal), backups: [backup] },
    { target, timeline: 'latest' },
    signal,
  );
}

let restores = 0;

/** Recovers with those settings. @returns the rows there are then, or what PostgreSQL died of */
async function recover(settings: Readonly<Record<string, string>>): Promise<string> {
  const dataDir = join(folder, 'copies', `restored${++restores}`);
  await mustRun('cp', ['-a', base, dataDir]);
  await writeFile(join(dataDir, 'recovery.signal'), '');
  giveAway(join(dataDir, 'recovery.signal'));
  const lines = Object.entries({
    ...settings,
    restore_command: `cp ${folder}/store/wal_005/%f %p`,
    recovery_target_action: 'promote',
    archive_mode: 'off',
  });
  await appendFile(
    join(dataDir, 'postgresql.auto.conf'),
    lines.map(([name, value]) => `${name} = '${value}'\n`).join(''),
  );
  const server = await startPostgres({ dataDir, start: false });
  await server.start({ wait: false });
  const outcome = await waitFor(
    async () => {
      if (!server.isRunning()) return findFatal(await server.log());
      const recovering = await server.value('SELECT pg_is_in_recovery()').catch(() => 'true');
      if (recovering === 'true') return undefined;
      return server.value("SELECT 'rows:' || coalesce(string_agg(' ' || id, '' ORDER BY id), '') FROM t");
    },
    { timeout: 120_000, what: 'the end of recovery' },
  );
  await server.stop('immediate');
  return outcome;
}

/** What the server died of; clients that came too early were told so by a FATAL as well. */
function findFatal(log: string): string {
  const fatal = log.split('\n').filter((line) => line.includes('FATAL') && !line.includes('starting up'));
  return fatal.join('\n');
}

describe('resolveTarget agrees with PostgreSQL', () => {
  test('on the end of the WAL', async () => {
    const result = await resolve({ kind: 'none' });
    expect(result.newest?.time).toBe(times.get(6));
    if (result.reachable) expect(await recover(result.settings)).toBe('rows: 1 2 3 4 5 6');
  });

  test('on a time between, to the microsecond', async () => {
    for (const [micros, rows] of [
      [times.get(4)! - 1, 'rows: 1 2 3'],
      [times.get(4)!, 'rows: 1 2 3 4'],
    ] as const) {
      const result = await resolve({ kind: 'time', time: micros });
      expect(result.reachable && result.settings).toMatchObject({
        recovery_target_time: formatTargetTime(micros),
      });
      if (result.reachable) expect(await recover(result.settings)).toBe(rows);
    }
  });

  test('on the last moment, which a time alone would not reach', async () => {
    const last = times.get(6)!;
    const result = await resolve({ kind: 'time', time: last });
    expect(result.reachable).toBe(true);
    if (result.reachable) expect(await recover(result.settings)).toBe('rows: 1 2 3 4 5 6');
    expect(await recover({ recovery_target_time: formatTargetTime(last) })).toMatch(/before configured/);
    expect(await resolve({ kind: 'time', time: last + 1 })).toMatchObject({ reachable: false });
  });

  test('on the last LSN', async () => {
    const archive = await resolve({ kind: 'lsn', lsn: 2n ** 60n });
    expect(archive.reachable).toBe(false);
    const { lsn } = archive.newest!;
    expect(await resolve({ kind: 'lsn', lsn })).toMatchObject({ reachable: true });
    expect(await recover({ recovery_target_lsn: formatLsn(lsn) })).toBe('rows: 1 2 3 4 5 6');
    expect(await resolve({ kind: 'lsn', lsn: lsn + 1n })).toMatchObject({ reachable: false });
    expect(await recover({ recovery_target_lsn: formatLsn(lsn + 1n) })).toMatch(/before configured/);
  });

  test('on a restore point, a transaction and the end of the backup', async () => {
    const xid = Number(await primary.value('SELECT xmin FROM t WHERE id = 5'));
    for (const [target, rows] of [
      [{ kind: 'name', name: 'three' }, 'rows: 1 2 3'],
      [{ kind: 'xid', xid }, 'rows: 1 2 3 4 5'],
      [{ kind: 'immediate' }, 'rows:'],
    ] as const) {
      const result = await resolve(target);
      expect(result.reachable).toBe(true);
      if (result.reachable) expect(await recover(result.settings)).toBe(rows);
    }
    expect(await resolve({ kind: 'name', name: 'four' })).toMatchObject({ reachable: false });
    expect(await recover({ recovery_target_name: 'four' })).toMatch(/before configured/);
  });

  // PostgreSQL would go on to the first commit behind the backup, later than what was asked for.
  test('is stricter about a time before the backup was complete', async () => {
    const time = fromDate(backup.finishTime) - 3_600_000_000;
    expect(await resolve({ kind: 'time', time })).toMatchObject({ reachable: false });
  });
});
