import { expect, test } from 'vitest';
import { ROOT } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';

test('the demonstration proves what it claims, within a minute', async () => {
  const result = await runProgram(`${ROOT}/demo/run`, [], { asPostgres: false, timeout: 60_000 });
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
  expect(result.stdout).toContain('Every row of that moment is back');
});
