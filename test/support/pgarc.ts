import { fileURLToPath } from 'node:url';
import { type Running, type RunOptions, type RunResult, startProgram } from './run.ts';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The command users run. */
export const PGARC = `${ROOT}/cli/pgarc`;

export type { Running, RunOptions, RunResult };

/** Starts `pgarc` as a user would. */
export function startPgarc(args: readonly string[], options: RunOptions = {}): Running {
  return startProgram(PGARC, args, options);
}

/** Runs `pgarc` to its end, whatever that is. */
export function runPgarc(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return startPgarc(args, options).result;
}

/** Runs `pgarc` and throws with what it said unless it exits with 0. */
export async function mustRunPgarc(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await runPgarc(args, options);
  if (result.code !== 0) {
    throw new Error(
      `pgarc ${args.join(' ')}: ${result.signal ?? `exit code ${result.code}`}\n${result.stderr}\n${result.stdout}`,
    );
  }
  return result;
}
