import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { PGARC, runPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const RESTORE = { restore_command: `${PGARC} wal-fetch %f %p` };

let minio: TestMinio;
beforeAll(async () => {
  minio = await startMinio();
});

/** Everything the archive has to hold of a server: what pg_wal says is archived, with its bytes. */
async function readArchived(server: TestPostgres): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const rows = await server.query<{ name: string }>(
    "SELECT regexp_replace(f, '\\.done$', '') AS name FROM pg_ls_dir('pg_wal/archive_status') f WHERE f LIKE '%.done'",
  );
  for (const { name } of rows) files.set(name, await readFile(join(server.dataDir, 'pg_wal', name)));
  return files;
}

describe.each(['MinIO', 'folder'])('archive_command and restore_command with %s', (kind) => {
  it('keep every byte of every segment, and feed a standby by themselves', async () => {
    const store =
      kind === 'MinIO'
        ? minio.env('archiving')
        : { PGARC_STORE: `file://${await makeTemporaryFolder('store')}` };
    const env = { ...store, PGARC_SPOOL: await makeTemporaryFolder('spool') };
    const primary = await startPostgres({
      archive: true,
      env,
      settings: { wal_keep_size: '2GB', archive_timeout: '1s', ...RESTORE },
    });
    const standbyDir = join(await makeTemporaryFolder('pg'), 'data');
    await primary.tool('pg_basebackup', ['-D', standbyDir, '-X', 'none', '-c', 'fast']);
    await writeFile(join(standbyDir, 'standby.signal'), '');
    const standby = await startPostgres({ dataDir: standbyDir, env, settings: RESTORE, start: false });
    await standby.start({ wait: false });

    await primary.tool('pgbench', ['-i', '-s', '3', '-q']);
    await primary.tool('pgbench', ['-c', '2', '-T', '3', '-n']);
    await primary.query('CREATE TABLE mark AS SELECT count(*) AS rows FROM pgbench_history');
    await primary.archiveAll();

    const archived = await readArchived(primary);
    expect(archived.size).toBeGreaterThan(3);
    expect([...archived.keys()].some((name) => name.endsWith('.backup'))).toBe(true);
    const folder = await makeTemporaryFolder('out');
    for (const [name, bytes] of archived) {
      const destination = join(folder, name);
      expect(await runPgarc(['wal-fetch', name, destination], { env })).toMatchObject({ code: 0 });
      expect((await readFile(destination)).equals(bytes)).toBe(true);
    }

    const rows = await primary.value('SELECT rows FROM mark');
    await waitFor(async () => (await standby.value('SELECT rows FROM mark')) === rows, {
      timeout: 120_000,
      what: 'the standby to replay what was archived',
    });
    expect(await primary.value('SELECT failed_count FROM pg_stat_archiver')).toBe('0');

    // A new timeline: its history file and segments go to the archive too.
    await primary.stop();
    await appendFile(
      join(standbyDir, 'postgresql.auto.conf'),
      `archive_mode = on\narchive_command = '${PGARC} wal-push %p'\n`,
    );
    await standby.stop();
    await standby.start();
    await standby.promote();
    await standby.query('CREATE TABLE after_promotion AS SELECT 1');
    await standby.archiveAll();
    const history = await runPgarc(['wal-fetch', '00000002.history', join(folder, 'h')], { env });
    expect(history).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, 'h'), 'utf8')).toMatch(/^1\t0\/[0-9A-F]+\t/);
  });
});
