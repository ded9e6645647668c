import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../support/pgarc.ts';
import { runProgram } from '../../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../../support/temporary.ts';

const good = { PGREPL_ROLE: 'STANDBY', PGREPL_TOKEN: 'secret7Q2Z', PGREPL_MASTER_IP: '127.0.0.1' };

const cases: [what: string, env: Record<string, string>, message: string, hint: string][] = [
  ['no role', { ...good, PGREPL_ROLE: '' }, 'PGREPL_ROLE is missing', 'PRIMARY, or to STANDBY'],
  ['another role', { ...good, PGREPL_ROLE: 'master' }, "PGREPL_ROLE: 'master'", 'PRIMARY and STANDBY'],
  ['no token', { ...good, PGREPL_TOKEN: '' }, 'PGREPL_TOKEN is missing', 'PGREPL_TOKEN_FILE'],
  [
    'no master',
    { ...good, PGREPL_MASTER_IP: '' },
    'PGREPL_MASTER_IP is missing',
    'a primary or another standby',
  ],
  ['a port in words', { ...good, PGREPL_MASTER_PORT: 'pg' }, "PGREPL_MASTER_PORT: 'pg'", '1 to 65535'],
  ['a port too high', { ...good, PGREPL_PORT: '65536' }, "PGREPL_PORT: '65536'", '1 to 65535'],
  ['a port that overflows', { ...good, PGREPL_PORT: '99999999999999999999' }, 'PGREPL_PORT', '1 to 65535'],
  ['two tokens', { ...good, PGREPL_TOKEN_FILE: '/etc/passwd' }, 'PGREPL_TOKEN and PGREPL_TOKEN_FILE', 'one'],
];

test.each(cases)('%s', async (_, env, message, hint) => {
  const folder = await makeTemporaryFolder('streaming');
  const { code, stderr } = await run(folder, env);
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  expect(stderr).toContain(hint);
  expect(stderr).not.toContain('secret7Q2Z');
});

test('a token file that cannot be read', async () => {
  const { PGREPL_TOKEN: _, ...env } = good;
  const { code, stderr } = await run('/nonexistent', { ...env, PGREPL_TOKEN_FILE: '/nonexistent/token' });
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot read') });
});

test('a folder with files of somebody else is left alone', async () => {
  const folder = await makeTemporaryFolder('streaming');
  await makeOwnedDirectory(join(folder, 'data'));
  await writeFile(join(folder, 'data/letter.txt'), 'keep me');
  const { code, stderr } = await run(folder, good);
  expect({ code, stderr }).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('holds files, but no cluster'),
  });
});

function run(folder: string, env: Record<string, string>) {
  return runProgram(`${ROOT}/images/streaming/entrypoint`, [], {
    env: {
      PGDATA: join(folder, 'data'),
      PGREPL_RUN: join(folder, 'run'),
      PGARC_SPOOL: join(folder, 'spool'),
      PGREPL_PGARC: `${ROOT}/cli/pgarc`,
      ...env,
    },
  });
}
