import { readdirSync, readFileSync } from 'node:fs';
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
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, sumPeaks(running.pid));
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

/** Sum of VmHWM of all descendants of a process. Synchronous and small, so that it disturbs little. */
function sumPeaks(pid: number): number {
  let bytes = 0;
  for (const child of childrenOf(pid)) {
    const status = readOrEmpty(`/proc/${child}/status`);
    bytes += Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024 + sumPeaks(child);
  }
  return bytes;
}

/** Children of all threads of a process: a runtime may fork from any of them. */
function childrenOf(pid: number): number[] {
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    // It has ended.
  }
  return threads.flatMap((thread) => {
    const children = readOrEmpty(`/proc/${pid}/task/${thread}/children`).trim();
    return children === '' ? [] : children.split(' ').map(Number);
  });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
