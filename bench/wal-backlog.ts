import { renderTable } from '../cli/render-table.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { buildBacklog, type Drained, drain, restoreBacklog } from './lib/backlog.ts';
import { startBench } from './lib/cluster.ts';
import { startBenchDaemon } from './lib/daemon.ts';
import { setUpPgBackRest } from './lib/pgbackrest.ts';
import { buildRelease } from './lib/release.ts';
import { log } from './lib/table.ts';
import { describeMachine, findOnPath } from './lib/tools.ts';

/**
 * A backlog of segments drained by PostgreSQL's own archiver: pgarc with its daemon, pgarc alone, and pgBackRest
 * with archive-async, one after the other on one MinIO over TLS.
 */
const SEGMENTS = Number(process.env.BENCH_SEGMENTS ?? 200);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 1);
const SEGMENT_BYTES = 16 * 2 ** 20;

try {
  const pgarc = await buildRelease();
  const bench = await startBench({ wal_keep_size: '16GB', max_wal_size: '16GB' });
  await bench.archiveWith('');
  log(`writing ${SEGMENTS} segments`);
  const names = await buildBacklog(bench, SEGMENTS);
  await restoreBacklog(bench, []);
  const results = new Map<string, Drained>();
  const keep = (name: string, result: Drained) => {
    log(`${name}: ${result.seconds.toFixed(2)} s, ${result.cpuSeconds.toFixed(2)} s of CPU`);
    const best = results.get(name);
    if (best === undefined || result.seconds < best.seconds) results.set(name, result);
  };

  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ['with daemon', 'direct'] as const) {
      const own = {
        PGARC_STORE: `s3://${bench.minio.bucket}/${way.replace(' ', '-')}-${round}`,
        PGARC_SPOOL: await bench.emptyDirectory(),
      };
      const settings = { ...bench.env, ...own };
      const command = `PGARC_STORE=${own.PGARC_STORE} PGARC_SPOOL=${own.PGARC_SPOOL} ${pgarc} wal-push %p`;
      const daemon = way === 'direct' ? undefined : await startBenchDaemon(pgarc, settings);
      keep(`pgarc ${way}`, await drain(bench, names, command, daemon === undefined ? {} : { daemon }));
      await daemon?.stop();
    }
    for (const processMax of [1, 2, 4]) {
      const backrest = await setUpPgBackRest(bench.server, bench.minio, {
        'repo1-path': `/pgbackrest${round}-${processMax}`,
        'archive-async': 'y',
        'process-max': String(processMax),
      });
      await bench.archiveWith('');
      await backrest.createStanza();
      const name = `pgBackRest archive-async, process-max ${processMax}`;
      keep(name, await drain(bench, names, backrest.archiveCommand, { background: 'archive-push:' }));
    }
  }

  const own = results.get('pgarc with daemon')!;
  const rows = [...results].map(([name, result]) => [
    name,
    result.seconds.toFixed(2),
    ((SEGMENTS * SEGMENT_BYTES) / 1e6 / result.seconds).toFixed(0),
    result.cpuSeconds.toFixed(2),
    result.requestsPerSegment.toFixed(2),
    result === own ? '' : (result.seconds / own.seconds).toFixed(2),
  ]);
  const header = [`${SEGMENTS} segments`, 'seconds', 'MB/s', 'CPU s', 'requests each', 'daemon is × faster'];
  const table = renderTable(header, rows, ['left', 'right', 'right', 'right', 'right', 'right']);
  process.stdout.write(`${await describeMachine([[findOnPath('pgbackrest'), 'version']])}\n\n${table}`);
} finally {
  await cleanUp();
}
