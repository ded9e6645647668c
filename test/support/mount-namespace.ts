import { PGARC } from './pgarc.ts';
import { type RunOptions, type RunResult, runProgram } from './run.ts';
import { asUnprivileged } from './unprivileged.ts';

/** A shell that mounts a folder over another one and then is the program. */
const SCRIPT = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';

/** Whether this machine lets us make mounts that others do not see. */
export async function canUnshareMounts(): Promise<boolean> {
  const { code } = await runProgram('unshare', ['--mount', 'true'], { asPostgres: false });
  return code === 0;
}

/**
 * Runs `pgarc` as in a container of its own, where another folder has the place of one that others know.
 * @param folder what it sees at `place`
 */
export function runPgarcElsewhere(
  { folder, place }: { folder: string; place: string },
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const [file, argv] = asUnprivileged(PGARC, args);
  const all = ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh', folder, place, file, ...argv];
  return runProgram('unshare', all, { ...options, asPostgres: false });
}
