import { readFileSync } from 'node:fs';

/** Filled in by scripts/build.ts. */
declare const PGARC_VERSION: string | undefined;

/** Version of the package. */
export const VERSION: string = typeof PGARC_VERSION === 'string' ? PGARC_VERSION : readPackageVersion();

function readPackageVersion(): string {
  const content = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(content) as { version: string }).version;
}
