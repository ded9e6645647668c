import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, runPgarc } from '../../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { makeStore } from '../../support/stores.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { giveAway } from '../../support/unprivileged.ts';

const PASSWORD = 'a-password-only-for-this-7Q2Z';

let server: TestPostgres;
let env: Record<string, string>;
beforeAll(async () => {
  const store = await makeStore('folder');
  server = await startPostgres({ archive: true, env: store.env });
  await server.query(`CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${PASSWORD}'`);
  await server.query('CREATE ROLE guest LOGIN');
  const hba = join(server.dataDir, 'pg_hba.conf');
  await writeFile(hba, `host all keeper 127.0.0.1/32 scram-sha-256\n${await readFile(hba, 'utf8')}`);
  await server.query('SELECT pg_reload_conf()');
  env = { ...store.env, ...server.env, PGHOST: '127.0.0.1', PGUSER: 'keeper' };
});

function push(extra: Record<string, string> = {}) {
  return runPgarc(['backup-push'], { env: { ...env, ...extra } });
}

async function writeSecret(text: string, mode = 0o600): Promise<string> {
  const file = join(await makeTemporaryFolder('secret'), 'secret');
  await writeFile(file, text);
  giveAway(file);
  await chmod(file, mode);
  return file;
}

describe('backup-push logs in with the password', () => {
  it.each([
    ['of PGPASSWORD', async () => ({ PGPASSWORD: PASSWORD })],
    [
      'of the file PGPASSWORD_FILE names',
      async () => ({ PGPASSWORD_FILE: await writeSecret(`${PASSWORD}\n`) }),
    ],
    [
      'of the password file',
      async () => ({ PGPASSFILE: await writeSecret(`127.0.0.1:*:*:keeper:${PASSWORD}`) }),
    ],
  ])('%s, and never prints it', async (_, give) => {
    const { code, stdout, stderr } = await push(await give());
    expect([code, stderr]).toEqual([0, expect.not.stringContaining(PASSWORD)]);
    expect(stdout).not.toContain(PASSWORD);
  });
});

it('backup-push needs no more rights than docs/settings.md lists', async () => {
  const page = await readFile(`${ROOT}/docs/settings.md`, 'utf8');
  const sql = /```sql\n(CREATE ROLE backup[^`]*)```/.exec(page)?.[1];
  await server.query(String(sql));
  const { PGDATA: _, ...withoutDirectory } = env;
  const options = { env: { ...withoutDirectory, PGUSER: 'backup' } };
  expect(await runPgarc(['backup-push'], options)).toMatchObject({ code: 0 });
  const checked = await runPgarc(['check'], options);
  // etcd is not set here; nothing else is left out.
  expect([checked.code, checked.stdout.match(/^\S+ +skipped/gm)]).toEqual([0, ['etcd             skipped']]);
});

describe('backup-push ends with a hint', () => {
  it('without a password', async () => {
    const { code, stderr } = await push();
    expect([code, stderr]).toEqual([7, expect.stringMatching(/there is none\nhint: Set PGPASSWORD/)]);
  });

  it('with a password file that others can read', async () => {
    const file = await writeSecret(`127.0.0.1:*:*:keeper:${PASSWORD}`, 0o644);
    const { code, stderr } = await push({ PGPASSFILE: file });
    expect([code, stderr]).toEqual([7, expect.stringContaining('which only its owner may be able to read')]);
  });

  it('with a wrong password, which it does not repeat', async () => {
    const { code, stderr } = await push({ PGPASSWORD: 'wrong-password-7Q2Z' });
    expect([code, stderr]).toEqual([7, expect.stringMatching(/authentication failed.*\nhint: Allow user/)]);
    expect(stderr).not.toContain('wrong-password-7Q2Z');
  });

  it('when TLS is asked for and the server has none', async () => {
    const { code, stderr } = await push({ PGPASSWORD: PASSWORD, PGSSLMODE: 'require' });
    expect([code, stderr]).toEqual([7, expect.stringMatching(/does not support SSL.*\nhint: Switch ssl on/)]);
  });

  it('as a user without the right to start a backup', async () => {
    const { code, stderr } = await push({ PGUSER: 'guest' });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/permission denied.*\nhint: .*superuser/)]);
  });
});
