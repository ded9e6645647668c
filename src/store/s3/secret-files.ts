import { readFileSync } from 'node:fs';
import type { Settings } from '../../config/settings.ts';
import { variablesOf } from '../../config/variables.ts';

/** Settings that are secrets of the store. */
type SecretKey = 'awsAccessKeyId' | 'awsSecretAccessKey' | 'awsSessionToken';

export type Secrets = Pick<Settings, SecretKey>;

/**
 * Finds which of the secrets came from files (`AWS_SESSION_TOKEN_FILE` and such), by what the files hold now: to be
 * called soon after the settings were loaded.
 * @returns reads the secrets again, those of files from their files; undefined when none came from a file
 */
export function findSecretFiles(
  settings: Secrets,
  environment: NodeJS.ProcessEnv = process.env,
): (() => Secrets) | undefined {
  const { awsAccessKeyId, awsSecretAccessKey, awsSessionToken } = settings;
  const known: Secrets = { awsAccessKeyId, awsSecretAccessKey, awsSessionToken };
  const files: [SecretKey, string][] = [];
  for (const key of Object.keys(known) as SecretKey[]) {
    if (known[key] === undefined) continue;
    const paths = variablesOf(key).map(({ name }) => environment[`${name}_FILE`]);
    const file = paths.find((path) => path && readSecret(path) === known[key]);
    if (file) files.push([key, file]);
  }
  if (files.length === 0) return undefined;
  return () => {
    const secrets = { ...known };
    for (const [key, file] of files) secrets[key] = readSecret(file) || secrets[key];
    return secrets;
  };
}

/** @returns undefined when it cannot be read, as while it is being replaced */
function readSecret(file: string): string | undefined {
  try {
    // As src/config/load.ts reads it.
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    return undefined;
  }
}
