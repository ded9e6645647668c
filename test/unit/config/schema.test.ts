import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { resolveSettings } from '../../../src/config/resolve.ts';
import { SCHEMA, SETTING_KEYS } from '../../../src/config/schema.ts';
import { variableOf, variablesOf } from '../../../src/config/variables.ts';

it('names each setting by its key', () => {
  for (const key of SETTING_KEYS) {
    expect(SCHEMA[key].name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())).toBe(key);
    expect(SCHEMA[key].description).toMatch(/^([a-z]|[A-Z]\w*[A-Z]).*[^.]$/);
    expect(variablesOf(key)[0]?.name).toBe(variableOf(SCHEMA[key].name));
  }
});

it('is told in docs/settings.md, every setting and every variable', () => {
  const page = readFileSync(new URL('../../../docs/settings.md', import.meta.url), 'utf8');
  for (const key of SETTING_KEYS) {
    expect(page).toContain(`\`${SCHEMA[key].name}\``);
    for (const { name } of variablesOf(key).slice(1)) expect(page).toContain(`\`${name}\``);
  }
});

/** Values that no default has, one for each type. */
const SAMPLES = [
  'Europe/Berlin',
  '*/5 * * * *',
  '24000',
  'zstd',
  'require',
  'json',
  'debug',
  'aws:kms',
  '7',
  '7s',
  '7GiB',
  'true',
  '/a/path',
  'any',
  'h:1',
  's3://bkt/p',
];

it.each(SETTING_KEYS)(
  '%s can be set by flag, PGARC_ variable, file and, when secret, by a file it names',
  (key) => {
    const { name, type, secret } = SCHEMA[key];
    const value = SAMPLES.find((sample) => type.parse(sample) !== undefined)!;
    expect(value, 'one of SAMPLES').toBeDefined();
    const facts = { processors: 2, defaultSpool: '/spool', hostname: 'node-1' };
    // A key of encryption is refused without the encryption.
    const environment = key === 's3SseKmsKeyId' ? { PGARC_S3_SSE: 'aws:kms' } : {};
    const none = { flags: {}, environment, file: undefined, facts, readSecretFile: () => value };
    const wanted = type.parse(value);
    const variable = variableOf(name);
    const sources = [
      [{ flags: { [key]: value } }, 'flag'],
      [{ environment: { ...environment, [variable]: value } }, 'environment'],
      [{ file: { path: '/f', values: { [name]: value } } }, 'file'],
      ...(secret ? ([[{ environment: { [`${variable}_FILE`]: '/secret' } }, 'environment']] as const) : []),
    ] as const;
    for (const [source, kind] of sources) {
      const { settings, origins } = resolveSettings({ ...none, ...source });
      expect([settings[key], origins[key].kind]).toEqual([wanted, kind]);
    }
  },
);
