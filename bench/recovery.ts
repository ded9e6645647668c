import { execFileSync } from 'node:child_process';
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderTable } from '../cli/render-table.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { findBinaries } from '../test/support/postgres-binaries.ts';
import { mustRun } from '../test/support/run.ts';
import { waitFor } from '../test/support/wait.ts';
import { drain } from './lib/backlog.ts';
import { startBench } from './lib/cluster.ts';
import { startBenchDaemon } from './lib/daemon.ts';
import { buildRelease } from './lib/release.ts';
import { log } from './lib/table.ts';
import { describeMachine } from './lib/tools.ts';

/**
 * Recovery of segments that pgbench wrote: pgarc with its daemon from MinIO over TLS, pgarc alone, and
 * `restore_command = 'cp'` from a local folder of plain segments.
 */
const SEGMENTS = Number(process.env.BENCH_SEGMENTS ?? 200);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 1);
const SCALE = Number(process.env.BENCH_SCALE ?? 20);
const WAYS = ['cp from a folder', 'pgarc with daemon', ...(process.env.BENCH_DIRECT ? ['pgarc direct'] : [])];

try {
  const pgarc = await buildRelease();
  const bench = await startBench({ wal_keep_size: '16GB', max_wal_size: '2GB', synchronous_commit: false });
  const { server } = bench;
  const plain = await bench.emptyDirectory();
  await bench.archiveWith(`cp %p ${plain}/%f`);
  const pgbench = join(findBinaries(15), 'pgbench');
  const run = (args: string[]) => mustRun(pgbench, args, { env: server.env, timeout: 1_800_000 });
  await run(['-i', '-q', '-s', String(SCALE)]);
  const base = join(await bench.emptyDirectory(), 'data');
  await server.tool('pg_basebackup', ['-D', base, '-X', 'none', '-c', 'fast']);

  log(`writing ${SEGMENTS} segments with pgbench`);
  const written = async () => {
    const current = await server.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
    const names = (await readdir(join(server.dataDir, 'pg_wal'))).filter((name) =>
      /^[0-9A-F]{24}$/.test(name),
    );
    return names.filter((name) => name < current).sort();
  };
  const before = (await written()).length;
  // Transactions after checkpoints, which log whole pages, and tables that are filled: the fastest there is.
  for (let round = 1; (await written()).length < before + SEGMENTS; round++) {
    await server.query(`CREATE DATABASE filled${round}`);
    await run(['-i', '-q', '-s', '15', `filled${round}`]);
    await server.query('CHECKPOINT');
    await run(['-n', '-c', '4', '-j', '2', '-T', '5']);
  }
  const history = await server.value('SELECT count(*) FROM pgbench_history');
  await server.archiveAll();
  const names = (await readdir(plain)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();

  log(`archiving ${names.length} segments`);
  await bench.archiveWith('');
  const pusher = await startBenchDaemon(pgarc, bench.env);
  await drain(bench, names, `${pgarc} wal-push %p`, { daemon: pusher });
  await pusher.stop();
  await server.stop();

  const results = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of WAYS) {
      const seconds = await recover(way);
      log(`${way}: ${seconds.toFixed(2)} s`);
      results.set(way, Math.min(seconds, results.get(way) ?? Number.POSITIVE_INFINITY));
    }
  }
  const [cpSeconds] = results.values();
  const rows = [...results].map(([way, seconds]) => [
    way,
    seconds.toFixed(2),
    ((names.length * 16 * 2 ** 20) / 1e6 / seconds).toFixed(0),
    (seconds / cpSeconds!).toFixed(2),
  ]);
  const header = [`recovery of ${names.length} segments`, 'seconds', 'MB/s', '× cp'];
  const table = renderTable(header, rows, ['left', 'right', 'right', 'right']);
  process.stdout.write(`${await describeMachine([])}\n\n${table}`);

  /** @returns seconds from the server's start to the end of recovery */
  async function recover(way: string): Promise<number> {
    const folder = await bench.emptyDirectory();
    const dataDir = join(folder, 'data');
    await cp(base, dataDir, { recursive: true, preserveTimestamps: true });
    execFileSync('chown', ['-R', '--reference', base, dataDir]);
    await writeFile(join(dataDir, 'recovery.signal'), '');
    const env = { ...bench.env, PGDATA: dataDir, PGARC_SPOOL: join(folder, 'spool') };
    const isCp = way.startsWith('cp');
    const restored = await startPostgres({
      dataDir,
      env,
      settings: {
        restore_command: isCp ? `cp ${plain}/%f %p` : `${pgarc} wal-fetch %f %p`,
        shared_buffers: '256MB',
        max_wal_size: '2GB',
        archive_mode: 'off',
        autovacuum: false,
      },
      start: false,
    });
    const daemon = way.endsWith('daemon') ? await startBenchDaemon(pgarc, env) : undefined;
    execFileSync('sync');
    const begin = performance.now();
    await restored.start({ wait: false });
    await waitFor(async () => (await restored.log()).includes('archive recovery complete'), {
      what: 'the end of recovery',
      timeout: 1_800_000,
      interval: 20,
    });
    const seconds = (performance.now() - begin) / 1000;
    await waitFor(async () => (await restored.value('SELECT count(*) FROM pgbench_history')) === history, {
      what: 'all rows',
    });
    if (daemon !== undefined) log(`the daemon took ${(await daemon.cpuSeconds()).toFixed(2)} s of CPU`);
    await restored.stop();
    await daemon?.stop();
    await rm(folder, { recursive: true, force: true });
    return seconds;
  }
} finally {
  await cleanUp();
}
