import { execFileSync } from 'node:child_process';
import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestMinio } from './minio.ts';
import { PGARC } from './pgarc.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { waitFor } from './wait.ts';

/** A base backup and the WAL after it in an archive, to recover from as often as one likes. */
export interface RecoveryArchive {
  /** Still running, and archiving. */
  readonly primary: TestPostgres;
  /** Keys of the segments archived since the backup, in order. */
  segments(): Promise<string[]>;
  /** Adds rows and archives them: about two segments for 10,000. */
  grow(rows: number): Promise<void>;
  /**
   * A data directory that recovers from the archive, and may archive there once it is promoted. Not started.
   * @param options gate: after its first segment it asks for nothing more until this file exists
   */
  prepare(
    signal: 'recovery' | 'standby',
    env?: Record<string, string>,
    options?: { archive?: boolean; gate?: string },
  ): Promise<TestPostgres>;
  /** Waits until a server has every row that was archived. */
  recovered(server: TestPostgres): Promise<void>;
}

/** @param prefix of the archive in MinIO */
export async function makeRecoveryArchive(
  minio: TestMinio,
  prefix: string,
  parts: number,
): Promise<RecoveryArchive> {
  const env = { ...minio.env(prefix), PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const primary = await startPostgres({ archive: true, env });
  await primary.query('CREATE TABLE rows (id int, text text)');
  const backup = join(await makeTemporaryFolder('backup'), 'data');
  await primary.tool('pg_basebackup', ['-D', backup, '-X', 'none', '-c', 'fast']);
  let rows = 0;
  const archive: RecoveryArchive = {
    primary,
    async segments() {
      const keys = await minio.keys(`${prefix}/wal_005/`);
      return keys.filter((key) => /\/[0-9A-F]{24}\.lz4$/.test(key));
    },
    async grow(count) {
      await primary.query(
        'INSERT INTO rows SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, $1::int) i',
        [count],
      );
      rows += count;
      await primary.archiveAll();
    },
    async prepare(signal, more = {}, { archive: mayArchive = false, gate } = {}) {
      const dataDir = join(await makeTemporaryFolder('pg'), 'data');
      await cp(backup, dataDir, { recursive: true, preserveTimestamps: true });
      execFileSync('chown', ['-R', '--reference', backup, dataDir]);
      await writeFile(join(dataDir, `${signal}.signal`), '');
      const settings = {
        restore_command: `${gate === undefined ? '' : waitAt(gate)}${PGARC} wal-fetch %f %p`,
        recovery_target_timeline: 'latest',
        log_min_messages: 'debug2',
        wal_retrieve_retry_interval: '200ms',
      };
      return startPostgres({
        dataDir,
        env: { ...env, ...more, PGDATA: dataDir },
        settings,
        archive: mayArchive,
        start: false,
      });
    },
    async recovered(server) {
      await waitFor(async () => (await server.value('SELECT count(*) FROM rows')) === String(rows), {
        timeout: 90_000,
        what: `all rows; the server says:\n${(await server.log()).slice(-3000)}`,
      });
    },
  };
  for (let part = 0; part < parts; part++) await archive.grow(10_000);
  return archive;
}

/** Shell in front of a restore_command; `GATE.asked` is there once a segment was asked for. */
function waitAt(gate: string): string {
  const wait = `while [ -e ${gate}.asked ] && [ ! -e ${gate} ]; do sleep 0.1; done`;
  return `${wait}; case %f in *.history) ;; *) : > ${gate}.asked ;; esac; `;
}

export async function waitForLog(server: TestPostgres, text: string | RegExp): Promise<void> {
  await waitFor(async () => (await server.log()).search(text) >= 0, {
    timeout: 120_000,
    what: `log: ${text}`,
  });
}

/** The server has not ended recovery. */
export async function expectNotPromoted(server: TestPostgres): Promise<void> {
  expect(await server.log()).not.toMatch(/archive recovery complete|selected new timeline/);
  expect(await readdir(join(server.dataDir, 'pg_wal'))).not.toContain('00000002.history');
}
