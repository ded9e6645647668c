import { mkdir, readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles pgarc into dist/ for the release: one small entry that checks Node and turns the compile cache on,
 * one chunk a command and what it shares. Modules with native parts stay outside.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = `${ROOT}dist`;

const { version } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')) as { version: string };

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT);
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
