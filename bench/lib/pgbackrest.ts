import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestMinio } from '../../test/support/minio.ts';
import type { TestPostgres } from '../../test/support/postgres.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../../test/support/temporary.ts';
import { type Measurement, measure } from './measure.ts';
import { findOnPath } from './tools.ts';

/** Values of process-max that are tried; the best one counts. */
export const PROCESS_MAX = (process.env.BENCH_PROCESS_MAX ?? '1,2,4').split(',').map(Number);

/** pgBackRest with one stanza on the same MinIO as pgarc. */
export interface PgBackRest {
  program: string;
  configFile: string;
  archiveCommand: string;
  createStanza(): Promise<void>;
  backup(processMax: number): Promise<Measurement>;
  /** Into an empty directory. */
  restore(processMax: number, target: string): Promise<Measurement>;
  archivePush(file: string): Promise<Measurement>;
}

/** @param settings lines for the section of the repository, such as repo1-bundle */
export async function setUpPgBackRest(
  server: TestPostgres,
  minio: TestMinio,
  settings: Record<string, string> = {},
): Promise<PgBackRest> {
  const folder = await makeTemporaryFolder('pgbackrest');
  for (const name of ['lock', 'spool', 'log']) await makeOwnedDirectory(join(folder, name));
  const { hostname, port } = new URL(minio.endpoint);
  const lines = {
    'repo1-type': 's3',
    'repo1-path': '/pgbackrest',
    'repo1-s3-bucket': minio.bucket,
    'repo1-s3-endpoint': hostname,
    'repo1-storage-port': port,
    'repo1-storage-verify-tls': 'n',
    'repo1-s3-uri-style': 'path',
    'repo1-s3-region': 'us-east-1',
    'repo1-s3-key': minio.accessKey,
    'repo1-s3-key-secret': minio.secretKey,
    'repo1-retention-full': '1',
    'compress-type': 'lz4',
    'start-fast': 'y',
    'log-level-file': 'off',
    'log-level-console': 'warn',
    'lock-path': join(folder, 'lock'),
    'spool-path': join(folder, 'spool'),
    'log-path': join(folder, 'log'),
    ...settings,
  };
  const stanza = {
    'pg1-path': server.dataDir,
    'pg1-port': String(server.port),
    'pg1-socket-path': server.socketDir,
    'pg1-user': 'postgres',
  };
  const configFile = join(folder, 'pgbackrest.conf');
  await writeFile(configFile, `[global]\n${render(lines)}\n[bench]\n${render(stanza)}`, { mode: 0o644 });
  const program = findOnPath('pgbackrest');
  const common = [`--config=${configFile}`, '--stanza=bench'];
  const run = (args: readonly string[]) => measure(program, [...common, ...args]);
  return {
    program,
    configFile,
    archiveCommand: [program, ...common, 'archive-push', '%p'].join(' '),
    async createStanza() {
      await run(['stanza-create']);
    },
    backup: (processMax) => run([`--process-max=${processMax}`, '--type=full', 'backup']),
    restore: (processMax, target) =>
      run([`--process-max=${processMax}`, `--pg1-path=${target}`, '--type=none', 'restore']),
    archivePush: (file) => run(['archive-push', file]),
  };
}

function render(lines: Record<string, string>): string {
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
