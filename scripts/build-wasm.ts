import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compileWat } from './compile-wat.ts';

/** Compiles src/postgres/page-checksum.wat; to be run, and its result committed, after a change. */
const FOLDER = fileURLToPath(new URL('../src/postgres/', import.meta.url));

const wat = await readFile(`${FOLDER}page-checksum.wat`, 'utf8');
const code = Buffer.from(await compileWat(wat)).toString('base64');
const lines = code.match(/.{1,96}/g) ?? [];
await writeFile(
  `${FOLDER}page-checksum-code.ts`,
  `/** page-checksum.wat, compiled by scripts/build-wasm.ts. */
export const PAGE_CHECKSUM_CODE: string = [
${lines.map((line) => `  '${line}',\n`).join('')}].join('');
`,
);
