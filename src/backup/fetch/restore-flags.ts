import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { SettingKey } from '../../config/definition.ts';
import type { ResolvedSettings } from '../../config/resolve.ts';
import { SCHEMA } from '../../config/schema.ts';
import { variableOf } from '../../config/variables.ts';

/** How the settings of this run reach a wal-fetch that the server starts. */
export interface RestoreFlags {
  flags: readonly string[];
  /** Names of secrets that only this run knows: they are never written into a restore_command. */
  secrets: readonly string[];
}

/** What wal-fetch needs. */
const KEYS: readonly SettingKey[] = [
  'store',
  'spool',
  'scope',
  'fetchTimeout',
  'requestTimeout',
  'storeTimeout',
  's3Endpoint',
  's3Region',
  's3ForcePathStyle',
  's3CaFile',
  'awsAccessKeyId',
  'awsSecretAccessKey',
  'awsSessionToken',
];

/** Relative ones would mean another place in the server's working directory. */
const PATHS: ReadonlySet<SettingKey> = new Set<SettingKey>(['spool', 's3CaFile']);

/**
 * Turns settings from flags and the environment into flags, since the server has another environment; a
 * settings file and an envdir are named instead, so that what is changed there later counts.
 */
export function chooseRestoreFlags(resolved: ResolvedSettings, envdir: string | undefined): RestoreFlags {
  const flags: string[] = [];
  const secrets: string[] = [];
  let file: string | undefined;
  for (const key of KEYS) {
    const { name, secret, type } = SCHEMA[key];
    const origin = resolved.origins[key];
    const value = resolved.settings[key];
    if (value === undefined || origin.kind === 'default') continue;
    if (/^(s3|aws)/.test(key) && !resolved.settings.store?.startsWith('s3:')) continue;
    if (origin.kind === 'file') {
      file = origin.name.slice(0, origin.name.lastIndexOf(':'));
      continue;
    }
    if (envdir !== undefined && origin.kind === 'environment' && existsSync(join(envdir, origin.name)))
      continue;
    if (secret) {
      secrets.push(origin.kind === 'flag' ? variableOf(name) : origin.name);
      continue;
    }
    const text = (type.format as (value: unknown) => string)(value);
    flags.push(`--${name}=${PATHS.has(key) ? resolve(text) : text}`);
  }
  const sources: string[] = [];
  if (file !== undefined) sources.push(`--config=${resolve(file)}`);
  if (envdir !== undefined) sources.push(`--envdir=${resolve(envdir)}`);
  return { flags: [...sources, ...flags], secrets };
}
