import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { renderTable } from '../cli/render-table.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { ROOT } from '../test/support/pgarc.ts';
import { type Bench, startBench } from './lib/cluster.ts';
import { startConnectionClock } from './lib/connection-clock.ts';
import { faster, type Measurement, measure } from './lib/measure.ts';
import { setUpPgBackRest } from './lib/pgbackrest.ts';
import { buildRelease } from './lib/release.ts';
import { log, renderComparison } from './lib/table.ts';
import { describeMachine, findOnPath } from './lib/tools.ts';
import { writeRows } from './lib/workload.ts';

/** Segments pushed one by one, as archive_command does, and how long pgarc takes before it asks the store. */
const SEGMENTS = 40;
const SEGMENT_BYTES = 16 * 2 ** 20;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const STARTS = 15;

try {
  const pgarc = await buildRelease();
  const bench = await startBench({ wal_keep_size: '4GB' });
  const segments = await writeSegments(bench);
  const results: { own?: Measurement; other?: Measurement } = {};
  for (let round = 0; round < ROUNDS; round++) {
    const env = {
      ...bench.env,
      ...bench.minio.env(`push${round}`),
      PGARC_SPOOL: await bench.emptyDirectory(),
    };
    // The first push of an archive also writes its identity, as pgBackRest's stanza-create does.
    await measure(pgarc, ['wal-push', segments[0]!], { env });
    results.own = faster(results.own, await pushEach(`${pgarc} wal-push`, segments.slice(1), env));

    const backrest = await setUpPgBackRest(bench.server, bench.minio, {
      'repo1-path': `/pgbackrest${round}`,
    });
    await backrest.createStanza();
    const command = backrest.archiveCommand.replace(' %p', '');
    results.other = faster(results.other, await pushEach(command, segments.slice(1), {}));
  }
  process.stdout.write(`${await describeMachine([[findOnPath('pgbackrest'), 'version']])}\n\n`);
  const table = renderComparison(`${SEGMENTS} segments`, SEGMENTS * SEGMENT_BYTES, [
    { name: 'pgarc wal-push', measurement: results.own! },
    { name: 'pgBackRest archive-push', measurement: results.other! },
  ]);
  process.stdout.write(`${table}\n${await timeStarts(bench, pgarc, segments)}`);
} finally {
  await cleanUp();
}

/** Real WAL of inserts and updates. @returns paths of one segment more than are measured, in order */
async function writeSegments({ server }: Bench): Promise<string[]> {
  log(`writing ${SEGMENTS} segments`);
  const folder = join(server.dataDir, 'pg_wal');
  for (;;) {
    const names = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
    const current = await server.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
    const complete = names.filter((name) => name < current);
    if (complete.length > SEGMENTS) return complete.slice(0, SEGMENTS + 1).map((name) => join(folder, name));
    await writeRows(server, 50_000);
  }
}

async function pushEach(
  command: string,
  files: readonly string[],
  env: Record<string, string>,
): Promise<Measurement> {
  const script = `for file in "$@"; do ${command} "$file" || exit 1; done`;
  const result = await measure('/bin/sh', ['-c', script, 'sh', ...files], { env });
  log(`${command.split(' ')[0]}: ${result.seconds.toFixed(2)} s for ${files.length} segments`);
  return result;
}

/** From the start of the command to its first connection, beside what Node alone takes to start and end. */
async function timeStarts(bench: Bench, pgarc: string, segments: readonly string[]): Promise<string> {
  const clock = await startConnectionClock(bench.minio.endpoint);
  const env = {
    ...bench.env,
    ...bench.minio.env('starts'),
    AWS_ENDPOINT: clock.endpoint,
    PGARC_SPOOL: await bench.emptyDirectory(),
  };
  const node = join(ROOT, 'node_modules/.bin/node');
  const times: Record<'connection' | 'total' | 'node', number[]> = { connection: [], total: [], node: [] };
  for (const file of segments.slice(0, STARTS + 1)) {
    clock.reset();
    const started = performance.now();
    const { seconds } = await measure(pgarc, ['wal-push', file], { env });
    times.connection.push((clock.first() ?? Number.NaN) - started);
    times.total.push(seconds * 1000);
    times.node.push((await measure(node, ['-e', '0'], { env })).seconds * 1000);
  }
  const rows = [
    ['to the first connection to the store', times.connection],
    ['whole wal-push of a segment', times.total],
    ['node -e 0, for comparison', times.node],
  ] as const;
  // Without the first one, which fills the compile cache and writes the identity.
  const cells = rows.map(([name, values]) => {
    const sorted = values.slice(1).toSorted((a, b) => a - b);
    return [name, ...[sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((ms) => ms!.toFixed(0))];
  });
  return renderTable(['start-up, ms', 'least', 'median', 'most'], cells, ['left', 'right', 'right', 'right']);
}
