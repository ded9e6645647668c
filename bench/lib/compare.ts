import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinaries } from '../../test/support/postgres-binaries.ts';
import type { Bench } from './cluster.ts';
import { startBenchDaemon } from './daemon.ts';
import { faster, type Measurement, measure } from './measure.ts';
import { PROCESS_MAX, setUpPgBackRest } from './pgbackrest.ts';
import { type Entry, log } from './table.ts';

export interface CompareOptions {
  /** Also measure pg_basebackup -Ft --compress=client-lz4. */
  basebackup?: boolean;
  /** Further settings of pgBackRest. */
  pgbackrest?: Record<string, string>;
}

/** How often everything runs; the fastest run counts. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);

/**
 * Backs a cluster up and restores it with pgarc, pgBackRest and pg_basebackup, each in turn, so that a busy
 * moment of the machine does not fall on one alone.
 */
export async function compareBackups(
  bench: Bench,
  pgarc: string,
  options: CompareOptions,
): Promise<{ backups: Entry[]; restores: Entry[] }> {
  const backrest = await setUpPgBackRest(bench.server, bench.minio, options.pgbackrest);
  await bench.archiveWith(backrest.archiveCommand);
  await backrest.createStanza();
  const backups = new Map<string, Measurement>();
  const restores = new Map<string, Measurement>();
  const keep = (results: Map<string, Measurement>, name: string, measurement: Measurement) => {
    log(`${name}: ${measurement.seconds.toFixed(2)} s, ${measurement.cpuSeconds.toFixed(2)} s of CPU`);
    results.set(name, faster(results.get(name), measurement));
  };
  const restored = async (run: (target: string) => Promise<Measurement>) => {
    const target = await bench.emptyDirectory();
    const result = await run(target);
    if ((await readdir(target)).length < 10) throw new Error('nothing was restored');
    // It stays to the end: for minutes after many files were removed, ext4 makes new ones ten times as slowly.
    return result;
  };

  for (let round = 0; round < ROUNDS; round++) {
    // As it is meant to run: with a daemon that archives. A backup waits for its first and its last segment.
    const daemon = await startBenchDaemon(pgarc, bench.env);
    await bench.archiveWith(`${pgarc} wal-push %p`);
    const run = (args: string[]) => measure(pgarc, args, { env: bench.env });
    keep(backups, 'pgarc', await run(['backup-push']));
    keep(restores, 'pgarc', await restored((target) => run(['backup-fetch', target, 'LATEST'])));
    await daemon.stop();

    await bench.archiveWith(backrest.archiveCommand);
    for (const processMax of PROCESS_MAX) {
      const name = `pgBackRest, process-max ${processMax}`;
      keep(backups, name, await backrest.backup(processMax));
      keep(restores, name, await restored((target) => backrest.restore(processMax, target)));
    }
    await bench.archiveWith('/bin/true');
    if (options.basebackup) keep(backups, 'pg_basebackup', await baseBackup(bench));
  }
  return { backups: toEntries(backups), restores: toEntries(restores) };
}

async function baseBackup(bench: Bench): Promise<Measurement> {
  const target = await bench.emptyDirectory();
  const args = ['-D', join(target, 'backup'), '-Ft', '--compress=client-lz4', '-c', 'fast', '-X', 'fetch'];
  const program = join(findBinaries(15), 'pg_basebackup');
  const result = await measure(program, args, { env: bench.server.env });
  await bench.removeDirectory(target);
  return result;
}

function toEntries(results: ReadonlyMap<string, Measurement>): Entry[] {
  return [...results].map(([name, measurement]) => ({ name, measurement }));
}
