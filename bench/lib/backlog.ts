import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../../test/support/wait.ts';
import type { Bench } from './cluster.ts';
import { type BenchDaemon, processorTime } from './daemon.ts';
import type { Measurement } from './measure.ts';
import { countRequests } from './minio-requests.ts';
import { writeRows } from './workload.ts';

const SEGMENT = /^[0-9A-F]{24}$/;
/** Between two looks at processes that have left their parents. */
const SAMPLE_EVERY = 50;

export interface Drained extends Measurement {
  requestsPerSegment: number;
}

/** Writes WAL while archiving is off. @returns names of the segments that wait, oldest first */
export async function buildBacklog({ server }: Bench, count: number): Promise<string[]> {
  const status = join(server.dataDir, 'pg_wal/archive_status');
  for (;;) {
    const ready = (await readdir(status)).filter((name) => name.endsWith('.ready')).sort();
    const names = ready.map((name) => name.slice(0, -'.ready'.length)).filter((name) => SEGMENT.test(name));
    if (names.length >= count) return names.slice(0, count);
    await writeRows(server, 100_000);
  }
}

/** Makes these segments wait, and no others. Archiving must be off. */
export async function restoreBacklog({ server }: Bench, names: readonly string[]): Promise<void> {
  const status = join(server.dataDir, 'pg_wal/archive_status');
  const wanted = new Set(names);
  for (const entry of await readdir(status)) {
    const [name = '', state] = entry.split(/\.(?=ready$|done$)/);
    const isWanted = wanted.has(name);
    if (state === (isWanted ? 'ready' : 'done')) continue;
    await rename(join(status, entry), join(status, `${name}.${isWanted ? 'ready' : 'done'}`));
  }
}

/**
 * Lets PostgreSQL's archiver drain the backlog with a command. Its processes count: what the archiver waits for,
 * those that put themselves in the background (whose command line holds `background`), and the daemon.
 */
export async function drain(
  bench: Bench,
  names: readonly string[],
  command: string,
  { daemon, background }: { daemon?: BenchDaemon; background?: string } = {},
): Promise<Drained> {
  const { server, minio } = bench;
  const status = join(server.dataDir, 'pg_wal/archive_status');
  const requestsBefore = await countRequests(minio);
  const archiver = Number(
    await server.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'"),
  );
  const before = (await processorTime(archiver, 'both')) + ((await daemon?.cpuSeconds()) ?? 0);
  const others = new Map<string, number>();
  const sampler = setInterval(() => void sample(background, others), SAMPLE_EVERY);
  await restoreBacklog(bench, []);
  const begin = performance.now();
  // A daemon sees them here, the archiver with its command.
  await restoreBacklog(bench, names);
  await bench.archiveWith(command);
  await waitFor(async () => !(await readdir(status)).some((name) => name.endsWith('.ready')), {
    what: 'the end of the backlog',
    timeout: 1_800_000,
    interval: 10,
  });
  const seconds = (performance.now() - begin) / 1000;
  await sample(background, others);
  clearInterval(sampler);
  const after = (await processorTime(archiver, 'both')) + ((await daemon?.cpuSeconds()) ?? 0);
  await bench.archiveWith('');
  const backgroundSeconds = [...others.values()].reduce((sum, one) => sum + one, 0);
  return {
    seconds,
    cpuSeconds: after - before + backgroundSeconds,
    peakBytes: (await daemon?.peakBytes()) ?? 0,
    stdout: '',
    requestsPerSegment: ((await countRequests(minio)) - requestsBefore) / names.length,
  };
}

async function sample(background: string | undefined, times: Map<string, number>): Promise<void> {
  if (background === undefined) return;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes(background)) continue;
    const seconds = await processorTime(Number(pid)).catch(() => undefined);
    if (seconds !== undefined) times.set(pid, seconds);
  }
}
