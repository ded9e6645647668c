import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { renderTable } from '../cli/render-table.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { cleanEnvironment } from '../test/support/run.ts';
import { asUnprivileged } from '../test/support/unprivileged.ts';
import { waitFor } from '../test/support/wait.ts';
import { startBench } from './lib/cluster.ts';
import { startBenchDaemon } from './lib/daemon.ts';
import { buildRelease } from './lib/release.ts';
import { log } from './lib/table.ts';
import { describeMachine } from './lib/tools.ts';
import { writeRows } from './lib/workload.ts';

/**
 * What one call costs when the work is done already: wal-push of a segment that is stored, against /bin/true;
 * wal-fetch of a segment that is in the spool, against mv. As PostgreSQL makes them, by `sh -c`.
 */
const CALLS = Number(process.env.BENCH_CALLS ?? 60);

try {
  const pgarc = await buildRelease();
  const bench = await startBench({ wal_keep_size: '4GB' });
  const { dataDir } = bench.server;
  const wal = join(dataDir, 'pg_wal');
  const spool = await bench.emptyDirectory();
  const env = { ...bench.env, PGARC_SPOOL: spool, PGARC_PREFETCH_SEGMENTS: '8' };
  const restored = 'pg_wal/RECOVERYXLOG';
  await bench.archiveWith('');
  while ((await segments()).length < CALLS / 2 + 2) await writeRows(bench.server, 100_000);
  const daemon = await startBenchDaemon(pgarc, env);
  const names = await segments();
  log(`storing ${names.length} segments`);
  // It stores nothing ahead until it is asked for the first time.
  run(`${pgarc} wal-push pg_wal/${names[0]}`);
  await waitFor(async () => (await readdir(join(spool, 'out'))).length >= names.length - 1, {
    what: 'the markers',
    timeout: 600_000,
  });

  const times: Record<string, number[]> = {
    '/bin/true': [],
    'pgarc wal-push, stored': [],
    mv: [],
    'pgarc wal-fetch, in the spool': [],
    cp: [],
  };
  const keep = (name: string, ms: number) => times[name]!.push(ms);
  for (let call = 0; call < CALLS; call++) {
    keep('/bin/true', run('/bin/true'));
    keep('pgarc wal-push, stored', run(`${pgarc} wal-push pg_wal/${names[call % (names.length - 1)]}`));
  }
  // The first ones of a recovery: fetched when asked for, and again, until enough are ahead.
  for (let at = 0; at < names.length - 2; at++) {
    const name = names[at]!;
    // And nothing is on its way that would share the processors.
    const isAhead = await waitFor(async () => isSettled(name), { timeout: 3000, interval: 2 }).catch(
      () => false,
    );
    const ms = run(`${pgarc} wal-fetch ${name} ${restored}`);
    if (isAhead) keep('pgarc wal-fetch, in the spool', ms);
    await rename(join(dataDir, restored), join(spool, 'copy'));
    keep('mv', run(`mv ${join(spool, 'copy')} ${restored}`));
    keep('cp', run(`cp pg_wal/${name} ${restored}`));
  }
  await daemon.stop();

  const rows = Object.entries(times).map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(2);
    return [name, String(sorted.length), at(0), at(0.5), at(0.9)];
  });
  const header = ['one call, ms', 'calls', 'least', 'median', '90 %'];
  const table = renderTable(header, rows, ['left', 'right', 'right', 'right', 'right']);
  process.stdout.write(`${await describeMachine([])}\n\n${table}`);
  const median = (name: string) => Number(rows.find(([one]) => one === name)![3]);
  const push = median('pgarc wal-push, stored') - median('/bin/true');
  const fetch = median('pgarc wal-fetch, in the spool') - median('mv');
  process.stdout.write(`wal-push: ${push.toFixed(2)} ms more; wal-fetch: ${fetch.toFixed(2)} ms more\n`);

  async function isSettled(name: string): Promise<boolean> {
    const files = await readdir(join(spool, 'in'));
    return files.includes(name) && !files.some((file) => file.includes('.new'));
  }

  async function segments(): Promise<string[]> {
    const current = await bench.server.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
    return (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name) && name < current).sort();
  }

  function run(command: string): number {
    // PostgreSQL removes it before it asks.
    rmSync(join(dataDir, restored), { force: true });
    const [file, args] = asUnprivileged('/bin/sh', ['-c', command]);
    const begin = performance.now();
    const { status, stderr } = spawnSync(file, args, { cwd: dataDir, env: cleanEnvironment(env) });
    const ms = performance.now() - begin;
    if (status !== 0) throw new Error(`${command}: ${status} ${stderr}`);
    return ms;
  }
} finally {
  await cleanUp();
}
