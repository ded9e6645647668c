import { expect, test } from 'vitest';
import { ROOT } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';

test('the demonstration proves what it claims, with less than a minute of work', async () => {
  // Not demo/run, which may install npm packages: not under the feet of other tests.
  const script = '"$0" "$1"; code=$?; times >&2; exit $code';
  const result = await runProgram('sh', ['-c', script, process.execPath, `${ROOT}/demo/main.ts`], {
    asPostgres: false,
    timeout: 240_000,
  });
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
  expect(result.stdout).toContain('Every row of that moment is back');
  // The last line has the CPU time of all it started, in user and system mode; the wall's depends on the load.
  const used = [
    ...result.stderr
      .trim()
      .split('\n')
      .at(-1)!
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  expect(used).toHaveLength(2);
  const seconds = used.map(([, minutes, rest]) => 60 * Number(minutes) + Number(rest));
  expect(seconds[0]! + seconds[1]!).toBeLessThan(60);
});
