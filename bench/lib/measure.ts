import { readdir, readFile } from 'node:fs/promises';
import { mustStart } from './start.ts';

/** What a command took. */
export interface Measurement {
  /** Wall clock. */
  seconds: number;
  /** User and system time of the command and all its children; a server it talks to does not count. */
  cpuSeconds: number;
  /** Largest sum of the peak memory (VmHWM) of its processes that lived at one time. Bytes. */
  peakBytes: number;
  stdout: string;
}

export interface MeasureOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
}

const SAMPLE_EVERY = 50;
/** sysconf(_SC_CLK_TCK) of every Linux. */
const TICKS_A_SECOND = 100;
/** Runs the command and then tells the CPU time of the children it has waited for (proc(5), cutime and cstime). */
const SHELL = '"$@"; code=$?; read -r stat < "/proc/$$/stat"; echo "$stat" >&3; exit "$code"';

/** Runs a command to its end as the account of PostgreSQL. @throws with what it said when it fails */
export async function measure(
  command: string,
  args: readonly string[],
  options: MeasureOptions = {},
): Promise<Measurement> {
  const started = performance.now();
  const running = mustStart('/bin/sh', ['-c', SHELL, 'sh', command, ...args], options);
  let peakBytes = 0;
  const sampler = setInterval(async () => {
    const bytes = await sumPeaks(running.pid).catch(() => 0);
    peakBytes = Math.max(peakBytes, bytes);
  }, SAMPLE_EVERY);
  try {
    const { stdout, report } = await running.result;
    const seconds = (performance.now() - started) / 1000;
    return { seconds, cpuSeconds: childTime(report), peakBytes, stdout };
  } finally {
    clearInterval(sampler);
  }
}

/** The faster of two runs. */
export function faster(a: Measurement | undefined, b: Measurement): Measurement {
  return a === undefined || b.seconds < a.seconds ? b : a;
}

function childTime(stat: string): number {
  // The name in parentheses may hold blanks; cutime and cstime are fields 16 and 17, counted from 1.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_A_SECOND;
}

/** Sum of VmHWM of all descendants of a process. */
async function sumPeaks(root: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  let bytes = 0;
  for (const pid of pids) {
    if (!descends(pid, root, parents)) continue;
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    bytes += Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

function descends(pid: number, root: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(pid); at !== undefined && at > 1; at = parents.get(at)) {
    if (at === root) return true;
  }
  return false;
}
