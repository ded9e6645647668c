import { existsSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../../test/support/run.ts';

/** A program on the PATH. @throws when it is not installed */
export function findOnPath(name: string): string {
  const folders = (process.env.PATH ?? '').split(':');
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

/** Load when the measuring began: others' work on the machine makes every number worse. */
const loadAtStart = loadavg()[0] ?? 0;

/** One line that says on what and against what was measured. */
export async function describeMachine(
  programs: readonly [program: string, ...args: string[]][],
): Promise<string> {
  const processors = cpus();
  const versions = await Promise.all(
    programs.map(async ([program, ...args]) => (await mustRun(program, args)).trim().split('\n')[0]),
  );
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${processors[0]?.model ?? 'CPU'}, ${memory} GiB; ${versions.join('; ')}; Node ${process.versions.node}; load average before ${loadAtStart.toFixed(1)}`;
}
