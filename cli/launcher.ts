import { statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The launcher's own path, for commands that others are to run: beside this file in a checkout, two levels
 * above the bundle's chunks in a release. Else its name, to be found in PATH.
 */
export function findLauncher(): string {
  const candidates = ['.', '..', '../..'].map((up) => join(import.meta.dirname, up, 'cli/pgarc'));
  return [join(import.meta.dirname, 'pgarc'), ...candidates].find(isThere) ?? 'pgarc';
}

/** By stat(2): existsSync asks access(2), which denies what a process may see by its capabilities alone. */
function isThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
