import { suggestName } from '../config/suggest.ts';
import { PgarcError } from '../errors.ts';

/** Keys of a method in patroni.yml that Patroni itself reads and hands on all the same (bootstrap.py). */
const CONTROL_KEYS = ['no_leader', 'no_master', 'keep_data', 'no_params'] as const;
/** Those of Patroni's wale_restore that mean nothing to pgarc. */
const FOREIGN_KEYS = ['use_iam'] as const;
/** Those that do. */
const MEANT_KEYS = ['threshold_megabytes', 'threshold_backup_size_percentage', 'retries'] as const;

const KNOWN: readonly string[] = [...CONTROL_KEYS, ...FOREIGN_KEYS, ...MEANT_KEYS];
/** So near to a known name that it is one, mistyped. */
const DISTANCE_KNOWN = ['datadir', 'connstring', 'scope', 'role'];

/**
 * Judges what no option was found for. Patroni hands every key of the method's section on, so that one with an
 * underscore, as Patroni's own have, is taken for such a key. A mistyped option is not.
 * @param words as commander leaves them: options with or without `=`, and their values
 * @returns keys that mean nothing, to be told
 * @throws PgarcError `usage`
 */
export function judgeUnknown(words: readonly string[]): string[] {
  const unknown: string[] = [];
  words.forEach((word, index) => {
    const name = /^--([^=]+)/.exec(word)?.[1];
    if (name === undefined) {
      // The value of the unknown key before it.
      if (index > 0 && /^--[^=]+$/.test(words[index - 1] ?? '')) return;
      throw new PgarcError('usage', `${JSON.stringify(word)} is not an option`, {
        hint: 'See `pgarc replica-bootstrap --help`.',
      });
    }
    const near = suggestName(name, [...KNOWN, ...DISTANCE_KNOWN]);
    if (near !== undefined) {
      throw new PgarcError('usage', `unknown option --${name}`, { hint: `Did you mean --${near}?` });
    }
    if (!name.includes('_')) {
      throw new PgarcError('usage', `unknown option --${name}`, {
        hint: 'See `pgarc replica-bootstrap --help`.',
      });
    }
    unknown.push(name);
  });
  return unknown;
}

const TRUE = ['1', 'true', 'yes', 'on', 'y', 't'];
const FALSE = ['0', 'false', 'no', 'off', 'n', 'f', 'none', ''];

/** Reads a switch as Python or YAML write it; alone, without a value, it is on. @throws PgarcError `usage` */
export function readSwitch(name: string, value: string | boolean | undefined): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  const text = value.trim().toLowerCase();
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new PgarcError('usage', `--${name} ${JSON.stringify(value)} is neither 1 nor 0`);
}

/** Reads a small number. @throws PgarcError `usage` */
export function readRetries(value: string | undefined): number {
  if (value === undefined) return 1;
  if (!/^\d{1,3}$/.test(value)) {
    throw new PgarcError('usage', `--retries ${JSON.stringify(value)} is not a number from 0 to 999`);
  }
  return Number(value);
}
