import { PgarcError } from '../errors.ts';

const OLDEST = 13;

/** Major version of a server_version_num such as 150020. */
export function majorVersion(versionNumber: number): number {
  return Math.floor(versionNumber / 10_000);
}

/** Writes a server_version_num as people do: 150020 is `15.20`, and 90624, of before version 10, `9.6.24`. */
export function formatVersion(versionNumber: number): string {
  const major = majorVersion(versionNumber);
  if (major >= 10) return `${major}.${versionNumber % 10_000}`;
  return `${major}.${Math.floor(versionNumber / 100) % 100}.${versionNumber % 100}`;
}

/** False for a server_version_num older than pgarc knows. */
export function isKnownVersion(versionNumber: number): boolean {
  return majorVersion(versionNumber) >= OLDEST;
}

/** @throws PgarcError `refused` for a server older than pgarc knows */
export function requireKnownVersion(versionNumber: number): void {
  if (isKnownVersion(versionNumber)) return;
  throw new PgarcError('refused', `PostgreSQL ${formatVersion(versionNumber)} is too old`, {
    hint: `pgarc backs up PostgreSQL ${OLDEST} and later.`,
  });
}
