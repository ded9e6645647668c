/**
 * The main job from end to end, on the PostgreSQL that npm brings and a store in a folder. Everything happens
 * in one temporary folder, which is removed at the end unless --keep is given. Exit code 0 only when every
 * row is proven to be back.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../src/errors.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { PGARC } from '../test/support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../test/support/postgres.ts';
import { cleanEnvironment } from '../test/support/run.ts';
import { keepTemporaryFolders, makeOwnedDirectory, makeTemporaryFolder } from '../test/support/temporary.ts';
import { asUnprivileged, unprivilegedAccount } from '../test/support/unprivileged.ts';
import { waitFor } from '../test/support/wait.ts';
import { command, line, note, proof, statement, step, verdict } from './screen.ts';

interface Contents {
  table: string;
  rows: string;
  checksum: string;
}

const TABLES = ['accounts', 'transfers'];

async function main(): Promise<boolean> {
  const folder = await makeTemporaryFolder('demo');
  const dataDir = join(folder, 'data');
  const storeDir = await makeOwnedDirectory(join(folder, 'backups'));
  const env = { PGARC_STORE: `file://${storeDir}`, PGARC_SPOOL: join(folder, 'spool') };

  step('A PostgreSQL server that archives with pgarc');
  const account = unprivilegedAccount();
  if (account !== undefined) note(`(PostgreSQL refuses root: servers and pgarc run as ${account.name} here)`);
  command(`cd ${folder}`);
  command('export PGARC_STORE=file://$PWD/backups PGARC_SPOOL=$PWD/spool');
  command('initdb data && cat >> data/postgresql.conf');
  line('archive_mode = on');
  line(`archive_command = '${PGARC} wal-push %p'`);
  const server = await startPostgres({ version: 18, newDataDir: dataDir, env, archive: true });
  await run(
    server,
    'CREATE TABLE accounts AS SELECT id, md5(id::text) AS owner, 100 AS balance FROM generate_series(1, 500000) AS id',
  );
  await run(
    server,
    'CREATE TABLE transfers (id bigserial PRIMARY KEY, account int, amount int, at timestamptz)',
  );

  step('A backup of the running server');
  await runPgarc(folder, ['backup-push', 'data'], { ...env, ...server.env });

  step('Life goes on, then a moment to remember');
  await transfer(server, 20_000);
  const moment = await server.value("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US') || '+00'");
  const remembered = await readContents(server);
  note(`It is ${moment}. In the database are:`);
  for (const { table, rows, checksum } of remembered)
    note(`  ${table.padEnd(10)} ${rows.padStart(7)} rows, checksum ${checksum}`);
  // A commit in the same microsecond would still belong to the moment.
  await waitFor(async () =>
    server.value('SELECT clock_timestamp() > $1::timestamptz', [moment]).then((later) => later === 'true'),
  );

  step('More rows, a mistake, and a disaster');
  await transfer(server, 5000);
  await run(server, 'DROP TABLE accounts');
  await server.archiveAll();
  command('kill -9 $(head -1 data/postmaster.pid)');
  await server.kill();
  command('rm -rf data');
  await rm(dataDir, { recursive: true });

  step('Back to the moment');
  await runPgarc(folder, ['backup-list'], env);
  const target = ['--target-time', moment, '--target-action', 'promote'];
  await runPgarc(folder, ['backup-fetch', 'data', 'LATEST', ...target], env);
  command('pg_ctl -D data start');
  const restored = await startPostgres({ version: 18, dataDir, env });
  await waitFor(async () => (await restored.value('SELECT pg_is_in_recovery()')) === 'false', {
    what: 'the end of recovery',
  });

  step('Proof');
  const found = await readContents(restored);
  const holds = remembered.map((before, i) => {
    const after = found[i]!;
    const same = before.rows === after.rows && before.checksum === after.checksum;
    const rows = `${after.rows} of ${before.rows} rows`;
    proof(
      same,
      `${before.table.padEnd(10)} ${rows}, checksum ${after.checksum}${same ? '' : ` instead of ${before.checksum}`}`,
    );
    return same;
  });
  await run(restored, 'INSERT INTO transfers (account, amount, at) VALUES (1, 1, now())');
  proof(true, 'the restored server takes new rows');
  return holds.every(Boolean);
}

async function run(server: TestPostgres, sql: string): Promise<void> {
  statement(`${sql};`);
  await server.query(sql);
}

async function transfer(server: TestPostgres, rows: number): Promise<void> {
  await run(
    server,
    `INSERT INTO transfers (account, amount, at) SELECT i % 500000 + 1, i % 97, clock_timestamp() FROM generate_series(1, ${rows}) AS i`,
  );
  await run(server, 'UPDATE accounts SET balance = balance + 1 WHERE id <= 20000');
}

async function readContents(server: TestPostgres): Promise<Contents[]> {
  const contents: Contents[] = [];
  for (const table of TABLES) {
    const there = await server.value('SELECT to_regclass($1) IS NOT NULL', [table]);
    if (there !== 'true') {
      contents.push({ table, rows: '0', checksum: 'none: there is no such table' });
      continue;
    }
    const sql = `SELECT count(*)::text AS rows, md5(string_agg(t::text, ',' ORDER BY id)) AS checksum FROM ${table} AS t`;
    const [row] = await server.query<{ rows: string; checksum: string }>(sql);
    contents.push({ table, rows: row!.rows, checksum: row!.checksum });
  }
  return contents;
}

/** Runs pgarc on this terminal, so that its progress is seen. */
async function runPgarc(folder: string, args: readonly string[], env: Record<string, string>): Promise<void> {
  command(`pgarc ${args.map((arg) => (/[^\w./:-]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
  const { TERM, NO_COLOR, TZ } = process.env;
  const [file, argv] = asUnprivileged(PGARC, args);
  const child = spawn(file, argv, {
    cwd: folder,
    env: cleanEnvironment({ TERM, NO_COLOR, TZ, ...env }),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`pgarc ${args[0]} ended with exit code ${code}`);
}

let holds = false;
const keep = process.argv.includes('--keep');
const started = performance.now();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}
try {
  holds = await main();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  verdict(holds, holds ? `Every row of that moment is back. (${seconds} s)` : 'Rows are missing or differ.');
} catch (error) {
  verdict(false, messageOf(error));
} finally {
  if (keep) note(`kept: ${keepTemporaryFolders()}`);
  await cleanUp();
}
process.exitCode = holds ? 0 : 1;
