import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The launcher's own path, for commands that others are to run: beside this file in a checkout, two levels
 * above the bundle's chunks in a release. Else its name, to be found in PATH.
 */
export function findLauncher(): string {
  const candidates = ['.', '..', '../..'].map((up) => join(import.meta.dirname, up, 'cli/pgarc'));
  return [join(import.meta.dirname, 'pgarc'), ...candidates].find((path) => existsSync(path)) ?? 'pgarc';
}
