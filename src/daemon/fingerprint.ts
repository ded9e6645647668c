import type { Environment } from '../config/foreign.ts';

/**
 * The variables that decide which store a pgarc without options uses. The launcher builds the same string
 * from its own environment, and believes nothing of a daemon that has another (test/unit/daemon holds the
 * two lists and the settings' schema together). No credentials: they do not say which store it is, and the
 * server's environment need not have any.
 */
export const FINGERPRINT_VARIABLES = [
  'PGARC_STORE',
  'WALG_S3_PREFIX',
  'WALE_S3_PREFIX',
  'WALG_FILE_PREFIX',
  'WALE_FILE_PREFIX',
  'WAL_S3_BUCKET',
  'PGARC_SCOPE',
  'PATRONI_SCOPE',
  'PGARC_S3_ENDPOINT',
  'AWS_ENDPOINT',
  'WALE_S3_ENDPOINT',
  'AWS_ENDPOINT_URL_S3',
  'AWS_ENDPOINT_URL',
  'PGARC_S3_REGION',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
] as const;

/**
 * One line of `NAME=value` for all of them, an unset variable like an empty one, and the settings file.
 * @returns undefined when it cannot be one line
 */
export function fingerprintOf(environment: Environment, settingsFile: string): string | undefined {
  const pairs = FINGERPRINT_VARIABLES.map((name) => `${name}=${environment[name] ?? ''}`);
  const line = [...pairs, `PGARC_CONFIG=${settingsFile}`].join('|');
  return line.includes('\n') || line.includes('\0') ? undefined : line;
}
