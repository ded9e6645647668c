import { type RunOptions, type RunResult, startPgarc } from './pgarc.ts';

/** Whether a run has come as far as it shall come; told what it has written to stderr so far. */
export type Moment = (stderr: string) => boolean | Promise<boolean>;

/**
 * Runs pgarc and kills it as soon as it has come to a moment, which is looked for all the time.
 * @returns how it ended: with signal SIGKILL, unless it was quicker
 */
export async function killAt(
  args: readonly string[],
  moment: Moment,
  options: RunOptions = {},
): Promise<RunResult> {
  const { child, stderr, result } = startPgarc(args, options);
  let hasEnded = false;
  void result.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) {
    if (await moment(stderr())) {
      child.kill('SIGKILL');
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return result;
}

/** Tries up to so many times until the run was killed at the moment. @returns whether it was */
export async function killWithin(attempts: number, attempt: () => Promise<RunResult>): Promise<boolean> {
  for (let number = 0; number < attempts; number++) {
    if ((await attempt()).signal === 'SIGKILL') return true;
  }
  return false;
}
