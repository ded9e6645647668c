import { mkdir, readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/**
 * Bundles pgarc for the release into dist/, or an empty folder that is named: one small entry that checks Node
 * and turns the compile cache on, one chunk a command and what it shares. Modules with native parts stay outside.
 * Below wal/ is the same for wal-push and wal-fetch alone: what two commands share are 30 files less to load than
 * what all do, which is 7 ms of each call.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = resolve(process.argv[2] ?? `${ROOT}dist`);

const { version } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')) as { version: string };

/**
 * An import of these modules of Node evaluates every property they have, which loads undici, webcrypto and
 * more (30 ms); fetched as objects they stay small. http2 is only there for services pgarc does not use.
 */
const leanBuiltins: Plugin = {
  name: 'lean-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(https?|http2|crypto)$/ }, ({ path }) => ({ path, namespace: 'lean' }));
    onLoad({ filter: /.*/, namespace: 'lean' }, ({ path }) => {
      const load = `process.getBuiltinModule('${path}')`;
      const lazy = `new Proxy({}, { get: (_, name) => ${load}[name] })`;
      return { contents: `module.exports = ${path === 'node:http2' ? lazy : load};`, loader: 'js' };
    });
  },
};

/** Leaves the other commands to the bundle above, which is never asked: the launcher knows where to begin. */
const onlyWalCommands: Plugin = {
  name: 'only-wal-commands',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/commands\// }, ({ path, importer }) => {
      const isOther = importer === `${ROOT}cli/commands.ts` && !/\/wal-(push|fetch)\.ts$/.test(path);
      return isOther ? { path: '../../main.js', external: true } : undefined;
    });
  },
};

const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
  entryPoints: { main: 'cli/start.js' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Modules in ES form first: of the AWS SDK only what is used is bundled then.
  mainFields: ['module', 'main'],
  minify: true,
  // Names of classes show in errors.
  keepNames: true,
  legalComments: 'linked',
  external: ['koffi', 'lz4-napi', '@node-rs/crc32', 'pg-native'],
  define: { PGARC_VERSION: JSON.stringify(version) },
  // Modules in CommonJS form ask for Node's own by require.
  banner: {
    js: "import{createRequire as pgarcCreateRequire}from'node:module';const require=pgarcCreateRequire(import.meta.url);",
  },
  logLevel: 'warning',
};

if (process.argv[2] === undefined) await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await build({ ...OPTIONS, outdir: OUT, plugins: [leanBuiltins] });
await build({ ...OPTIONS, outdir: `${OUT}/wal`, plugins: [leanBuiltins, onlyWalCommands] });
