import { join } from 'node:path';
import { cleanUp } from '../test/support/cleanup.ts';
import { findBinaries } from '../test/support/postgres-binaries.ts';
import { mustRun } from '../test/support/run.ts';
import { type Bench, startBench } from './lib/cluster.ts';
import { compareBackups } from './lib/compare.ts';
import { buildRelease } from './lib/release.ts';
import { log, renderComparison } from './lib/table.ts';
import { describeMachine, findOnPath } from './lib/tools.ts';

/** Backup and restore of 1.5 GB, beside pgBackRest on the same MinIO and pg_basebackup to a local folder. */
const PGBENCH_SCALE = Number(process.env.BENCH_SCALE ?? 70);
/** Rows of 1 KiB of hexadecimal digits, which hardly compress. */
const NOISE_ROWS = PGBENCH_SCALE * 6000;

try {
  const pgarc = await buildRelease();
  const bench = await startBench();
  await fill(bench);
  const { backups, restores } = await compareBackups(bench, pgarc, { basebackup: true });
  const bytes = await bench.dataBytes();
  const machine = await describeMachine([
    [findOnPath('pgbackrest'), 'version'],
    [join(findBinaries(15), 'pg_basebackup'), '--version'],
  ]);
  process.stdout.write(`${machine}\n${(bytes / 1e9).toFixed(2)} GB\n\n`);
  process.stdout.write(`${renderComparison('backup', bytes, backups)}\n`);
  process.stdout.write(renderComparison('restore', bytes, restores));
} finally {
  await cleanUp();
}

async function fill({ server }: Bench): Promise<void> {
  log(`filling: pgbench scale ${PGBENCH_SCALE} and ${NOISE_ROWS} rows of noise`);
  const pgbench = join(findBinaries(15), 'pgbench');
  await mustRun(pgbench, ['-i', '-q', '-s', String(PGBENCH_SCALE)], { env: server.env, timeout: 1_800_000 });
  await server.query(
    `CREATE TABLE noise AS
       SELECT i AS id, (SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 32) j) AS filler
         FROM generate_series(1, ${NOISE_ROWS}) i`,
  );
  await server.query('CHECKPOINT');
}
