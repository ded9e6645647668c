import { appendFile, chmod, open, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import type { DocRun } from './doc-commands.ts';
import { startMinio, type TestMinio } from './minio.ts';
import { PGARC } from './pgarc.ts';
import { freePort } from './ports.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { findBinaries } from './postgres-binaries.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { mountTmpfs } from './tmpfs.ts';
import { giveAway } from './unprivileged.ts';

/** The server of a runbook's reader: PostgreSQL that archives, with a settings file; its store and its host's folders. */
export interface DocServer {
  readonly minio: TestMinio;
  readonly server: TestPostgres;
  /** How its commands are run; see `places` there. */
  readonly run: Required<Pick<DocRun, 'env' | 'places'>>;
  /** Writes settings over those of the settings file. */
  configure(settings: Record<string, string>): Promise<void>;
}

/**
 * Starts MinIO and a PostgreSQL as the runbooks say they are; stopped when the test file ends.
 * @param options `storeFolder` is where MinIO keeps its objects
 */
export async function startDocServer(options: { storeFolder?: string | undefined } = {}): Promise<DocServer> {
  const host = await makeTemporaryFolder('host');
  const minio = await startMinio({ folder: options.storeFolder });
  const config = join(host, 'pgarc.yaml');
  const dataDir = join(host, 'main');
  const settings: Record<string, string> = {
    store: `s3://${minio.bucket}/main`,
    's3-endpoint': minio.endpoint,
    'aws-access-key-id': minio.accessKey,
    'aws-secret-access-key': minio.secretKey,
    spool: join(host, 'spool'),
    pgdata: dataDir,
  };
  const configure = async (more: Record<string, string>) => {
    Object.assign(settings, more);
    const lines = Object.entries(settings).map(([name, value]) => `${name}: ${value}\n`);
    await writeFile(config, lines.join(''));
    await chmod(config, 0o600);
    giveAway(config);
  };
  await configure({});
  const server = await startPostgres({
    newDataDir: dataDir,
    env: { PGARC_CONFIG: config },
    archive: true,
    settings: { log_statement: 'ddl', log_line_prefix: '%m [%p] ' },
    start: false,
  });
  // A restored copy listens beside it, as it does where the directory is a fixed one.
  await appendFile(join(dataDir, 'postgresql.conf'), `unix_socket_directories = '${server.socketDir}'\n`);
  await server.start();
  const rescuePort = await freePort();
  const places = new Map([
    ['/var/lib/postgresql/15/main', dataDir],
    ['/var/lib/postgresql/15/rescue', join(host, 'rescue')],
    ['/var/lib/postgresql', host],
    ['/var/spool/pgarc', join(host, 'spool')],
    ['/etc/pgarc/pgarc.yaml', config],
    ['/usr/local/bin/pgarc', PGARC],
    ['/usr/lib/postgresql/15/bin', findBinaries(15)],
    ['/var/log/postgresql/postgresql-15-main.log', join(server.socketDir, 'server.log')],
    ['/var/run/postgresql', server.socketDir],
    ['https://s3.example.com', minio.endpoint],
    ['db1', hostname()],
    ['5432', String(server.port)],
    ['5433', String(rescuePort)],
  ]);
  atEnd(() => killServer(join(host, 'rescue')));
  const { PGHOST, PGPORT, PGUSER } = server.env;
  const env = { PGHOST: PGHOST!, PGPORT: PGPORT!, PGUSER: PGUSER!, PGARC_CONFIG: config, HOME: host };
  return { minio, server, run: { env, places }, configure };
}

/** A disk for a store that can be filled, and emptied again. @returns undefined where one may not mount */
export async function makeFullStore(): Promise<
  { folder: string; fill(): Promise<void>; empty(): Promise<void> } | undefined
> {
  const folder = await mountTmpfs(256);
  if (folder === undefined) return undefined;
  const filler = join(folder, 'filler');
  return {
    folder,
    async fill() {
      const { bavail, bsize } = await statfs(folder);
      const piece = Buffer.alloc(4 * 1024 * 1024);
      await using file = await open(filler, 'w');
      for (let left = bavail * bsize; left > 0; left -= piece.length) {
        await file.write(piece, 0, Math.min(left, piece.length));
      }
    },
    empty: () => rm(filler),
  };
}

/** Ends a server that a page's command has started, when the page did not come to its end. */
async function killServer(dataDir: string): Promise<void> {
  const [pid] = (await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  if (pid) process.kill(Number(pid), 'SIGQUIT');
}
