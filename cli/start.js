// Where the launcher enters, in plain JavaScript that an old Node can read too.
import module from 'node:module';
import { userInfo } from 'node:os';
import v8 from 'node:v8';

const OLDEST = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `pgarc: ${process.execPath} is Node ${process.versions.node}, pgarc needs ${OLDEST} or later\n` +
      'hint: Install it, or set PGARC_NODE to the path of one.\n',
  );
  process.exit(2);
}
avoidHangAtExit();
enableCompileCache();
const { main } = await import('./main.ts');
await main(process.argv.slice(2));

/**
 * Keeps V8 from compiling on other threads, which is what process.exit can hang on (leave.ts): for where
 * leave.ts cannot help, an unexpected error or a second signal. The baseline compiler is quick on the main
 * thread too; the two short commands do not live long enough for the others to pay.
 */
function avoidHangAtExit() {
  v8.setFlagsFromString('--no-concurrent-sparkplug');
  if (process.argv.includes('wal-push') || process.argv.includes('wal-fetch')) {
    v8.setFlagsFromString('--no-concurrent-recompilation');
  }
}

/** Keeps compiled code in the user's own folder: whoever can write there decides what runs here. */
function enableCompileCache() {
  if (process.env.NODE_COMPILE_CACHE || process.env.NODE_DISABLE_COMPILE_CACHE) return;
  const { XDG_CACHE_HOME, HOME } = process.env;
  const { FAILED } = module.constants.compileCacheStatus;
  for (const find of [
    () => XDG_CACHE_HOME,
    () => HOME && `${HOME}/.cache`,
    () => `${userInfo().homedir}/.cache`,
  ]) {
    try {
      const folder = find();
      if (folder && module.enableCompileCache(`${folder}/pgarc`).status !== FAILED) return;
    } catch {
      // No such user: without a cache it only starts slower.
    }
  }
}
