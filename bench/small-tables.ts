import { cleanUp } from '../test/support/cleanup.ts';
import { startBench } from './lib/cluster.ts';
import { compareBackups } from './lib/compare.ts';
import { buildRelease } from './lib/release.ts';
import { log, renderComparison } from './lib/table.ts';
import { describeMachine, findOnPath } from './lib/tools.ts';
import { createSmallTables } from './lib/workload.ts';

/** A cluster of many small files, beside pgBackRest with bundling. */
const TABLES = Number(process.env.BENCH_TABLES ?? 50_000);

try {
  const pgarc = await buildRelease();
  const bench = await startBench({ max_locks_per_transaction: 2000 });
  log(`creating ${TABLES} tables`);
  await createSmallTables(bench.server, TABLES);
  await bench.server.query('CHECKPOINT');
  const { backups, restores } = await compareBackups(bench, pgarc, { pgbackrest: { 'repo1-bundle': 'y' } });
  const bytes = await bench.dataBytes();
  process.stdout.write(`${await describeMachine([[findOnPath('pgbackrest'), 'version']])}\n`);
  process.stdout.write(`${TABLES} tables, ${(bytes / 1e9).toFixed(2)} GB\n\n`);
  process.stdout.write(`${renderComparison('backup', bytes, backups)}\n`);
  process.stdout.write(renderComparison('restore', bytes, restores));
} finally {
  await cleanUp();
}
