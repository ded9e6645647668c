import { readFile } from 'node:fs/promises';
import { atEnd } from '../../test/support/cleanup.ts';
import { startProgram } from '../../test/support/run.ts';
import { waitFor } from '../../test/support/wait.ts';

/** `pgarc daemon` of a release, running. */
export interface BenchDaemon {
  pid: number;
  /** User and system time so far. */
  cpuSeconds(): Promise<number>;
  /** Peak memory, bytes. */
  peakBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** sysconf(_SC_CLK_TCK) of every Linux. */
const TICKS_A_SECOND = 100;

/** Starts it and waits until it serves. */
export async function startBenchDaemon(
  pgarc: string,
  env: Record<string, string | undefined>,
): Promise<BenchDaemon> {
  const running = startProgram(pgarc, ['daemon'], {
    env: { PGARC_HTTP_LISTEN: 'off', PGARC_LOG_LEVEL: 'info', ...env },
    timeout: 3_600_000,
  });
  const end = async (signal: NodeJS.Signals) => {
    running.child.kill(signal);
    await running.result;
  };
  atEnd(() => end('SIGKILL'));
  await waitFor(() => running.stderr().includes('daemonReady') || running.child.exitCode !== null, {
    what: 'the daemon',
  });
  if (running.child.exitCode !== null) throw new Error(`the daemon ended: ${running.stderr()}`);
  const pid = running.child.pid!;
  return {
    pid,
    cpuSeconds: () => processorTime(pid),
    async peakBytes() {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
    },
    stop: () => end('SIGTERM'),
  };
}

/** User and system time of a process, and of the children it has waited for where wanted. */
export async function processorTime(
  pid: number,
  whose: 'own' | 'children' | 'both' = 'own',
): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  // utime, stime, cutime and cstime are fields 14 to 17, counted from 1 and with the two before the name.
  const own = fields[11]! + fields[12]!;
  const children = fields[13]! + fields[14]!;
  return { own, children, both: own + children }[whose] / TICKS_A_SECOND;
}
