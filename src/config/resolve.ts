import { messageOf, PgarcError } from '../errors.ts';
import type { Facts, SettingKey } from './definition.ts';
import { type Environment, type Reading, warnOfUnread } from './foreign.ts';
import { findForeignEncryption } from './foreign-encryption.ts';
import { SCHEMA, SETTING_KEYS } from './schema.ts';
import type { Settings } from './settings.ts';
import { findUnknownFileKeys, findUnknownVariables, isPlainValue } from './unknown.ts';
import { hideUserInfo } from './user-info.ts';
import { variablesOf } from './variables.ts';

/** Everything settings are made of. */
export interface Sources {
  /** Values from the command line, as written. */
  flags: { readonly [K in SettingKey]?: string | undefined };
  environment: Environment;
  file: SettingsFile | undefined;
  facts: Facts;
  /** Reads the file a `*_FILE` variable names. */
  readSecretFile(path: string): string;
}

export interface SettingsFile {
  path: string;
  /** Top-level keys and their values, as YAML gave them. */
  values: Readonly<Record<string, unknown>>;
}

/** Where a value came from. */
export type Origin =
  | { kind: 'flag'; name: string }
  | { kind: 'environment'; name: string }
  | { kind: 'file'; name: string }
  | { kind: 'default'; name: '' };

export interface ResolvedSettings {
  settings: Settings;
  origins: Readonly<Record<SettingKey, Origin>>;
  /** What works, but not as it was written. */
  warnings: readonly string[];
  /** Values to hide from everything that is printed. */
  secrets: readonly string[];
}

interface Found {
  value: string;
  origin: Origin;
}

/**
 * Settings from all sources: flag > environment > file > default.
 * @throws PgarcError `setting-invalid` that tells of all wrong ones, each with its source and what is allowed
 */
export function resolveSettings(sources: Sources): ResolvedSettings {
  const problems: Problem[] = [
    ...findUnknownVariables(sources.environment),
    ...findForeignEncryption(sources.environment),
    ...findUnknownFileKeys(sources.file),
  ];
  const warnings = new Set(warnOfUnread(sources.environment));
  const settings: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  const secrets: string[] = [];

  const reading: Reading = {
    environment: sources.environment,
    scope: undefined,
    warn: (message) => warnings.add(message),
  };
  reading.scope = findValue('scope', sources, reading, problems)?.value;
  for (const key of SETTING_KEYS) {
    const definition = SCHEMA[key];
    const found = findValue(key, sources, reading, problems);
    if (found === undefined) {
      settings[key] = definition.fallback?.(sources.facts, settings as unknown as Settings);
      origins[key] = { kind: 'default', name: '' };
      continue;
    }
    const parsed = found.value === '' ? undefined : definition.type.parse(found.value);
    if (definition.secret) {
      secrets.push(found.value);
      if (found.origin.kind === 'flag') warnings.add(tellOfOpenSecret(found.origin.name));
    }
    if (parsed === undefined) problems.push(describeBadValue(key, found));
    settings[key] = parsed;
    origins[key] = found.origin;
  }
  const resolved = {
    settings: settings as unknown as Settings,
    origins: origins as Record<SettingKey, Origin>,
  };
  if (problems.length === 0) problems.push(...findConflicts(resolved));
  if (problems.length > 0) throw createSettingsError(problems);
  return {
    ...resolved,
    warnings: [...warnings],
    secrets,
  };
}

/** One thing wrong with the settings. */
export interface Problem {
  /** The setting, key or variable. */
  name: string;
  message: string;
  hint?: string;
}

/** How an origin is called: `environment PGARC_STORE`, `file /etc/pgarc/pgarc.yaml:store`, `default`. */
export function describeOrigin(origin: Origin): string {
  return origin.kind === 'default' ? 'default' : `${origin.kind} ${origin.name}`;
}

function findValue(
  key: SettingKey,
  sources: Sources,
  reading: Reading,
  problems: Problem[],
): Found | undefined {
  const { name } = SCHEMA[key];
  const flag = sources.flags[key];
  if (flag !== undefined) return { value: flag, origin: { kind: 'flag', name: `--${name}` } };
  return findVariable(key, sources, reading, problems) ?? findFileValue(key, sources.file);
}

/** The first variable that is set and says something; an empty one counts as absent. */
function findVariable(
  key: SettingKey,
  sources: Sources,
  reading: Reading,
  problems: Problem[],
): Found | undefined {
  const { environment } = sources;
  for (const { name, read } of variablesOf(key)) {
    const written = environment[name];
    if (written) {
      const value = read === undefined ? written : read(written, reading);
      if (value !== undefined) return { value, origin: { kind: 'environment', name } };
    }
    if (!SCHEMA[key].secret) continue;
    const file = environment[`${name}_FILE`];
    if (!file) continue;
    try {
      const value = sources.readSecretFile(file);
      if (value !== '') return { value, origin: { kind: 'environment', name: `${name}_FILE` } };
    } catch (error) {
      problems.push({
        name: `${name}_FILE`,
        message: `setting ${SCHEMA[key].name} from environment ${name}_FILE: cannot read ${file}: ${messageOf(error)}`,
      });
    }
  }
  return undefined;
}

function findFileValue(key: SettingKey, file: SettingsFile | undefined): Found | undefined {
  const { name } = SCHEMA[key];
  const written = file?.values[name];
  if (file === undefined || written === undefined || written === null || written === '') return undefined;
  if (!isPlainValue(written)) return undefined;
  const value = Array.isArray(written) ? written.join(',') : String(written);
  return { value, origin: { kind: 'file', name: `${file.path}:${name}` } };
}

function describeBadValue(key: SettingKey, found: Found): Problem {
  const { name, type, secret } = SCHEMA[key];
  const shown =
    found.value === ''
      ? 'an empty value'
      : secret
        ? 'the value'
        : JSON.stringify(hideUserInfo(found.value).slice(0, 80));
  return {
    name,
    message: `setting ${name} from ${describeOrigin(found.origin)}: ${shown} is not ${type.allowed}`,
  };
}

/** What is wrong with settings of which each is right. */
function findConflicts({ settings, origins }: Pick<ResolvedSettings, 'settings' | 'origins'>): Problem[] {
  const { s3Sse, s3SseKmsKeyId } = settings;
  if (s3SseKmsKeyId === undefined || s3Sse === 'aws:kms') return [];
  const { name } = SCHEMA.s3SseKmsKeyId;
  const given = s3Sse === undefined ? 'not set' : `${s3Sse} from ${describeOrigin(origins.s3Sse)}`;
  return [
    {
      name,
      message: `setting ${name} from ${describeOrigin(origins.s3SseKmsKeyId)}: a key is only used where ${SCHEMA.s3Sse.name} is aws:kms, and that is ${given}`,
      hint: `Set ${SCHEMA.s3Sse.name} to aws:kms, or take the key away.`,
    },
  ];
}

function tellOfOpenSecret(flag: string): string {
  return `every user of this machine can read ${flag} in the list of processes: use a variable or a file`;
}

function createSettingsError(problems: readonly Problem[]): PgarcError {
  const hints = problems.flatMap(({ hint }) => hint ?? []);
  return new PgarcError('setting-invalid', problems.map(({ message }) => message).join('\n'), {
    hint:
      [...new Set(hints)].join(' ') ||
      'Correct it where it comes from, or take it away there; docs/settings.md has every setting and what is allowed.',
    details: { settings: problems.map(({ name, message }) => ({ name, message })) },
  });
}
