import { mkdir, readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/**
 * Bundles pgarc for the release into dist/, or an empty folder that is named: one small entry that checks Node
 * and turns the compile cache on, one chunk a command and what it shares. Modules with native parts stay outside.
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

if (process.argv[2] === undefined) await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await build({
  absWorkingDir: ROOT,
  entryPoints: { main: 'cli/start.js' },
  outdir: OUT,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Modules in ES form first: of the AWS SDK only what is used is bundled then.
  mainFields: ['module', 'main'],
  plugins: [leanBuiltins],
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
});
