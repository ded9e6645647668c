import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { availableParallelism, hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';
import { isMissing } from '../system/file-error.ts';
import type { Facts } from './definition.ts';
import type { Environment } from './foreign.ts';
import { type ResolvedSettings, resolveSettings, type SettingsFile, type Sources } from './resolve.ts';
import { SCHEMA, SETTING_KEYS } from './schema.ts';

/** Read when neither --config nor PGARC_CONFIG names a file, if it exists. */
export const USUAL_FILE = '/etc/pgarc/pgarc.yaml';
const SHARED_SPOOL = '/var/spool/pgarc';

export interface LoadOptions {
  flags: Sources['flags'];
  environment: Environment;
  /** --config. */
  config: string | undefined;
  /** Read when nothing names a file, if it exists. */
  usualFile?: string;
}

/** Reads the settings file, if any, and resolves all settings. @throws PgarcError `setting-invalid` */
export async function loadSettings(options: LoadOptions): Promise<ResolvedSettings> {
  const { environment } = options;
  const file = await readSettingsFile(
    options.config || environment.PGARC_CONFIG || undefined,
    options.usualFile ?? USUAL_FILE,
  );
  const resolved = resolveSettings({
    flags: options.flags,
    environment,
    file,
    facts: gatherFacts(environment),
    // A secret in a file usually ends in a line break that is not part of it.
    readSecretFile: (path) => readFileSync(path, 'utf8').replace(/\r?\n$/, ''),
  });
  const warnings = [...resolved.warnings, ...warnOfReadableSecrets(file)];
  return { ...resolved, warnings };
}

/** @param named a file that must exist; without one the usual file is read when it is there */
async function readSettingsFile(
  named: string | undefined,
  usualFile: string,
): Promise<SettingsFile | undefined> {
  const path = named ?? usualFile;
  try {
    const content = readFileSync(path, 'utf8');
    const { parse } = await import('yaml');
    // Strings only: `0123` or `1e3` must reach the parsers of the settings as they were written.
    const values: unknown = parse(content, { schema: 'failsafe', prettyErrors: true }) ?? {};
    if (values === '') return { path, values: {} };
    if (typeof values !== 'object' || Array.isArray(values))
      throw new Error('it must hold lines of `name: value`');
    return { path, values: flatten(values as Record<string, unknown>) };
  } catch (error) {
    // One that this user may not reach is there, and holds what nobody must go without unawares.
    if (named === undefined && isMissing(error)) return undefined;
    const isUnread = (error as NodeJS.ErrnoException).syscall !== undefined;
    throw new PgarcError('setting-invalid', `settings file ${path}: ${messageOf(error).split('\n')[0]}`, {
      cause: error,
      hint: isUnread
        ? 'Let it be readable for this user, or name another one with --config or PGARC_CONFIG.'
        : 'The file is YAML: one `name: value` a line, names as in docs/settings.md.',
    });
  }
}

/** A map below a key is the settings whose names begin so: `schedule: {backup: {cron: …}}` is schedule-backup-cron. */
function flatten(values: Readonly<Record<string, unknown>>, prefix = ''): Record<string, unknown> {
  const flat: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    Object.assign(
      flat,
      isMap ? flatten(value as Record<string, unknown>, `${prefix}${key}-`) : { [prefix + key]: value },
    );
  }
  return flat;
}

function warnOfReadableSecrets(file: SettingsFile | undefined): string[] {
  if (file === undefined) return [];
  const holdsSecret = SETTING_KEYS.some((key) => SCHEMA[key].secret && file.values[SCHEMA[key].name]);
  const readable = holdsSecret && (statSync(file.path).mode & 0o004) !== 0;
  return readable ? [`${file.path} holds a secret and every user can read it: chmod 640 it`] : [];
}

function gatherFacts(environment: Environment): Facts {
  return {
    processors: availableParallelism(),
    defaultSpool: chooseSpool(environment),
    hostname: hostname(),
  };
}

/** The folder a package made for all, else one of the user's own. */
function chooseSpool(environment: Environment): string {
  try {
    accessSync(SHARED_SPOOL, constants.W_OK | constants.X_OK);
    return SHARED_SPOOL;
  } catch {
    // Not there or not ours.
  }
  const state = environment.XDG_STATE_HOME;
  if (state?.startsWith('/')) return join(state, 'pgarc');
  const home = environment.HOME || findHome();
  return home === undefined
    ? join(tmpdir(), `pgarc-${process.getuid?.() ?? 'user'}`)
    : join(home, '.local/state/pgarc');
}

/** The home folder of the password database; an arbitrary user of a container has none. */
function findHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
}
