import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { variablesOf } from '../../../src/config/variables.ts';
import { FINGERPRINT_VARIABLES, fingerprintOf } from '../../../src/daemon/fingerprint.ts';
import { PGARC } from '../../support/pgarc.ts';

const LAUNCHER = readFileSync(PGARC, 'utf8');

it('holds every variable that chooses the store', () => {
  const wanted = (['store', 'scope', 's3Endpoint', 's3Region'] as const).flatMap((key) =>
    variablesOf(key).map(({ name }) => name),
  );
  expect([...FINGERPRINT_VARIABLES].sort()).toEqual([...new Set(wanted)].sort());
});

it.each([['dash'], ['bash'], ['busybox', 'sh']])('is the same in the launcher under %s', (...shell) => {
  const lines = LAUNCHER.split('\n').filter((line) => line.startsWith('  own='));
  expect(lines.length).toBeGreaterThan(1);
  const [program, ...rest] = shell;
  const script = `${lines.join('\n')}\nprintf %s "$own"`;
  const values = Object.fromEntries(
    FINGERPRINT_VARIABLES.map((name, index) => [name, `${index} ${name}'"$x|`]),
  );
  for (const environment of [values, {}, { PGARC_STORE: 's3://b/p', AWS_REGION: '' }]) {
    const env = { PATH: process.env.PATH, ...environment, PGARC_CONFIG: '/etc/x' };
    const { stdout, error } = spawnSync(program!, [...rest, '-c', script], { env, encoding: 'utf8' });
    if (error === undefined) expect(stdout).toBe(fingerprintOf(environment, '/etc/x'));
  }
});

it('is none for values that do not fit into a line', () => {
  expect(fingerprintOf({ PGARC_STORE: 'a\nb' }, '')).toBeUndefined();
  expect(fingerprintOf({ PGARC_STORE: 'a' }, '/a\nb')).toBeUndefined();
});
