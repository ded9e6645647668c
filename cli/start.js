// Where the launcher enters, in plain JavaScript that an old Node can read too.
import module from 'node:module';
import { userInfo } from 'node:os';

const OLDEST = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `pgarc: ${process.execPath} is Node ${process.versions.node}, pgarc needs ${OLDEST} or later\n` +
      'hint: Install it, or set PGARC_NODE to the path of one.\n',
  );
  process.exit(2);
}
enableCompileCache();
const { main } = await import('./main.ts');
await main(process.argv.slice(2));

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
