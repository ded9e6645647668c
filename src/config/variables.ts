import type { SettingKey } from './definition.ts';
import type { Variable } from './foreign.ts';
import { SCHEMA } from './schema.ts';

/** `PGARC_*` variables that are no settings: read by the launcher and the command line. */
export const LAUNCHER_VARIABLES = ['PGARC_CONFIG', 'PGARC_NODE', 'PGARC_DEBUG', 'PGARC_DAEMON'] as const;

/** `fetch-timeout` → `PGARC_FETCH_TIMEOUT`. */
export function variableOf(name: string): string {
  return `PGARC_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** All variables of a setting, strongest first. */
export function variablesOf(key: SettingKey): readonly Variable[] {
  const { name, variables = [] } = SCHEMA[key];
  return [variableOf(name), ...variables].map((one) => (typeof one === 'string' ? { name: one } : one));
}
