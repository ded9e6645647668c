import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startMinio, type TestMinio } from '../../test/support/minio.ts';
import { startPostgres, type TestPostgres } from '../../test/support/postgres.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../../test/support/temporary.ts';
import { waitFor } from '../../test/support/wait.ts';

/** A server that archives with whatever command is current, and a MinIO with TLS. */
export interface Bench {
  server: TestPostgres;
  minio: TestMinio;
  /** Settings of pgarc. */
  env: Record<string, string>;
  /** Archives with this command from now on, its environment being pgarc's settings. */
  archiveWith(command: string): Promise<void>;
  /** An empty directory of the account of PostgreSQL. */
  emptyDirectory(): Promise<string>;
  removeDirectory(path: string): Promise<void>;
  /** Bytes of the data directory without pg_wal. */
  dataBytes(): Promise<number>;
}

export async function startBench(settings: Record<string, string | number | boolean> = {}): Promise<Bench> {
  const minio = await startMinio({ tls: true });
  const folder = await makeTemporaryFolder('bench');
  const spool = await makeOwnedDirectory(join(folder, 'spool'));
  // Where Node keeps compiled code between runs, as in the home of the account on a real host.
  const home = await makeOwnedDirectory(join(folder, 'home'));
  const env = { ...minio.env('pgarc'), PGARC_SPOOL: spool, HOME: home, NODE_COMPILE_CACHE: '' };
  const server = await startPostgres({
    env,
    settings: {
      shared_buffers: '256MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      archive_mode: 'on',
      autovacuum: false,
      ...settings,
    },
  });
  let directories = 0;
  const bench: Bench = {
    server,
    minio,
    env: { ...env, ...server.env },
    async archiveWith(command) {
      await server.query(`ALTER SYSTEM SET archive_command = '${command.replaceAll("'", "''")}'`);
      await server.query('SELECT pg_reload_conf()');
      await waitFor(async () => (await server.value('SHOW archive_command')) === command, {
        what: 'the reload',
      });
    },
    emptyDirectory: () => makeOwnedDirectory(join(folder, `restored${++directories}`)),
    removeDirectory: (path) => rm(path, { recursive: true, force: true }),
    async dataBytes() {
      return Number(await server.value('SELECT sum(pg_database_size(oid)) FROM pg_database'));
    },
  };
  await bench.archiveWith('/bin/true');
  return bench;
}
