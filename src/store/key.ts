import { PgarcError } from '../errors.ts';

/** Most bytes of a key S3 takes, prefix included. */
const MAX_KEY_BYTES = 1024;

/**
 * Makes sure that a key can be stored in every kind of store and cannot leave a folder.
 * @throws PgarcError `failed`
 */
export function assertKey(key: string): void {
  const names = key.split('/');
  const bad =
    names.some((name) => name === '' || name === '.' || name === '..' || isTemporaryName(name)) ||
    key.includes('\0') ||
    Buffer.byteLength(key) > MAX_KEY_BYTES;
  if (bad) throw new PgarcError('failed', `${JSON.stringify(key)} cannot be the key of an object`);
}

/** Compares keys bytewise (UTF-8), the order S3 lists in. */
export function compareKeys(a: string, b: string): number {
  // UTF-16 and UTF-8 order differ only where surrogates are involved.
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;

/** Whether a name is that of a file on its way into a folder store. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.pgarc-') && name.endsWith('.tmp');
}
