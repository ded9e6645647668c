import type { Settings } from '../config/settings.ts';
import { span } from '../config/value-types.ts';
import { PgarcError } from '../errors.ts';

/** What retention shall keep; results are OR-ed. 0 and undefined are no rule. */
export interface RetentionRules {
  /** Newest full backups. */
  full: number;
  /** Every moment of so many ms until now. */
  window: number | undefined;
  /** Newest backups of each of so many periods that have one. */
  daily: number;
  weekly: number;
  monthly: number;
  yearly: number;
  /** Where the periods begin: an IANA name. */
  timeZone: string;
}

type RuleKey = 'keepFull' | 'keepWindow' | 'keepDaily' | 'keepWeekly' | 'keepMonthly' | 'keepYearly';
export type RuleSettings = Pick<Settings, RuleKey | 'retentionTimeZone'>;

const NAMES: Readonly<Record<RuleKey, string>> = {
  keepFull: 'keep-full',
  keepWindow: 'keep-window',
  keepDaily: 'keep-daily',
  keepWeekly: 'keep-weekly',
  keepMonthly: 'keep-monthly',
  keepYearly: 'keep-yearly',
};
const KEYS = Object.keys(NAMES) as readonly RuleKey[];

/**
 * The rules in the settings; undefined when none is set, which keeps everything.
 * @throws PgarcError `setting-invalid` when all that are set would keep nothing
 */
export function rulesOf(settings: RuleSettings): RetentionRules | undefined {
  const given = KEYS.filter((key) => settings[key] !== undefined);
  if (given.length === 0) return undefined;
  if (!given.some((key) => settings[key] !== 0)) throw keepsNothing(given);
  return {
    full: settings.keepFull ?? 0,
    window: settings.keepWindow || undefined,
    daily: settings.keepDaily ?? 0,
    weekly: settings.keepWeekly ?? 0,
    monthly: settings.keepMonthly ?? 0,
    yearly: settings.keepYearly ?? 0,
    timeZone: settings.retentionTimeZone,
  };
}

/** The rules as a user writes them: `keep-full 3, keep-window 14d`. */
export function describeRules(rules: RetentionRules | undefined): string {
  if (rules === undefined) return 'no rule';
  const { full, window, daily, weekly, monthly, yearly, timeZone } = rules;
  const calendar = { daily, weekly, monthly, yearly };
  const periods = Object.entries(calendar).filter(([, count]) => count > 0);
  const parts = [
    ...(full > 0 ? [`keep-full ${full}`] : []),
    ...(window === undefined ? [] : [`keep-window ${span.format(window)}`]),
    ...periods.map(([name, count]) => `keep-${name} ${count}`),
  ];
  return parts.join(', ') + (periods.length > 0 && timeZone !== 'UTC' ? ` (${timeZone})` : '');
}

function keepsNothing(given: readonly RuleKey[]): PgarcError {
  const names = given.map((key) => NAMES[key]);
  const what = names.length === 1 ? `setting ${names[0]} is 0` : `settings ${names.join(', ')} are 0`;
  const message = `${what} and no other rule is set: retention would keep nothing`;
  return new PgarcError('setting-invalid', message, {
    hint: 'Give one of them a value from 1 on, or remove them: without a rule retention keeps everything.',
    details: { settings: names.map((name) => ({ name, message })) },
  });
}
