import type { Environment } from './foreign.ts';
import type { Problem, SettingsFile } from './resolve.ts';
import { SCHEMA, SETTING_KEYS } from './schema.ts';
import { suggestName } from './suggest.ts';
import { LAUNCHER_VARIABLES, variableOf } from './variables.ts';

const NAMES = SETTING_KEYS.map((key) => SCHEMA[key].name);
const VARIABLES = [
  ...NAMES.map(variableOf),
  ...SETTING_KEYS.filter((key) => SCHEMA[key].secret).map((key) => `${variableOf(SCHEMA[key].name)}_FILE`),
  ...LAUNCHER_VARIABLES,
];

/** Kubernetes sets these for a service called `pgarc-…` in the same namespace (service links). */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/;

/** `PGARC_*` variables that mean nothing; most are mistyped. */
export function findUnknownVariables(environment: Environment): Problem[] {
  return Object.entries(environment)
    .filter(([name, value]) => name.startsWith('PGARC_') && value && !VARIABLES.includes(name))
    .filter(
      ([name, value]) => !SERVICE_LINK.test(name) && !(name.endsWith('_PORT') && /^\w+:\/\//.test(value!)),
    )
    .map(([name]) => describeUnknown(`environment variable ${name}`, name, VARIABLES));
}

/** Keys of the file that mean nothing. */
export function findUnknownFileKeys(file: SettingsFile | undefined): Problem[] {
  if (file === undefined) return [];
  return Object.entries(file.values).flatMap(([key, value]) => {
    if (!NAMES.includes(key)) return describeUnknown(`setting ${key} in file ${file.path}`, key, NAMES);
    if (!isPlainValue(value)) {
      return {
        name: key,
        message: `setting ${key} from file ${file.path}:${key}: one value is allowed, not a map`,
      };
    }
    return [];
  });
}

function describeUnknown(what: string, name: string, known: readonly string[]): Problem {
  const near = suggestName(name, known);
  return {
    name,
    message: `unknown ${what}`,
    hint: near === undefined ? `\`pgarc config show\` names every setting.` : `Did you mean ${near}?`,
  };
}

/** Whether a value of the file is one word or a list of words. A map is told of by findUnknownFileKeys. */
export function isPlainValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((one) => typeof one !== 'object');
  return value === null || typeof value !== 'object';
}
