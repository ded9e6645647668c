import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
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
