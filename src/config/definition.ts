import type { Variable } from './foreign.ts';
import type { Settings } from './settings.ts';
import type { ValueType } from './value-types.ts';

export type SettingKey = keyof Settings;

/** Facts of the machine that defaults depend on. */
export interface Facts {
  /** Processors this process may use. */
  processors: number;
  /** Where WAL on its way waits when no spool is set. */
  defaultSpool: string;
  hostname: string;
}

/** One setting: where it comes from, how it is written, what it is. */
export interface Definition<T> {
  /** Name in the file and, with `--`, on the command line. */
  readonly name: string;
  readonly type: ValueType<NonNullable<T>>;
  /** Variables that mean it, strongest first, after PGARC_<NAME>. */
  readonly variables?: readonly (string | Variable)[];
  /** Value when no source has one. May depend on settings above it in the table. */
  fallback?(facts: Facts, settings: Settings): T;
  /** The default in words, where the value alone does not say it. */
  readonly fallbackText?: string;
  /** Hidden everywhere, and also read from a file named by `<VARIABLE>_FILE`. */
  readonly secret?: true;
  /** Shown in --help of every command. */
  readonly main?: true;
  /** One sentence, lower case, no full stop. */
  readonly description: string;
}

/** Every setting's definition, under its key. */
export type Schema = { readonly [K in SettingKey]: Definition<Settings[K]> };
