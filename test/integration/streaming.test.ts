import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { restore } from '../support/restore.ts';
import { runProgram } from '../support/run.ts';
import { makeStore } from '../support/stores.ts';
import { startStreamingNode } from '../support/streaming.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

// Every character that a quoting could trip over, and that the log must not show.
const TOKEN = `it's a "token" \\ with: $(id) \`id\` %p *`;

test('a primary, its standby and the standby of that, through promotion and restarts', async () => {
  const store = await makeStore('minio');
  const folder = await makeTemporaryFolder('secrets');
  await writeFile(join(folder, 'token'), `${TOKEN}\n`);
  const common = { ...store.env, PGREPL_TOKEN_FILE: join(folder, 'token') };
  const nodeEnv = (more: Record<string, string>) => {
    const { PGARC_SPOOL: _, ...env } = { ...common, ...more } as Record<string, string>;
    return env;
  };

  const primary = await startStreamingNode(
    nodeEnv({ PGREPL_ROLE: 'PRIMARY', POSTGRES_PASSWORD: TOKEN, POSTGRES_DB: `app "one" 'two'` }),
  );
  await primary.isUp('primary');
  const follow = (port: number) => ({
    PGREPL_ROLE: 'STANDBY',
    PGREPL_MASTER_IP: '127.0.0.1',
    PGREPL_MASTER_PORT: String(port),
  });
  const standby = await startStreamingNode(nodeEnv({ ...follow(primary.port), PGREPL_NAME: `st'andby` }));
  await standby.isUp('standby');
  const cascading = await startStreamingNode(nodeEnv(follow(standby.port)));
  await cascading.isUp('standby');

  // What is written on the first is read on the last; each follows the one before it.
  await primary.value('CREATE TABLE numbers AS SELECT 1 AS n');
  await waitFor(async () => (await cascading.value('SELECT n FROM numbers')) === '1');
  const followers = 'SELECT application_name, state FROM pg_stat_replication';
  expect(await primary.value(followers)).toBe("st'andby|streaming");
  expect(await standby.value(followers)).toMatch(/\|streaming$/);
  expect(await primary.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'app%two''%'")).toBe('1');

  // Passwords hold over TCP, and are nowhere to be read.
  const login = (password: string) =>
    runProgram('psql', ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres', '-c', 'SELECT 1'], {
      env: { PGPASSWORD: password },
    });
  expect((await login(TOKEN)).code).toBe(0);
  expect((await login('wrong')).code).not.toBe(0);
  const { stdout: processes } = await runProgram('ps', ['-eo', 'args'], { asPostgres: false });
  const settings = await cascading.value("SELECT string_agg(setting, ' ') FROM pg_settings");
  const files = await readFile(join(cascading.dataDir, 'pgrepl.conf'), 'utf8');
  for (const text of [processes, settings, files, primary.running.stderr(), cascading.running.stderr()]) {
    expect(text).not.toContain('a "token"');
    expect(text).not.toContain(store.env.AWS_SECRET_ACCESS_KEY);
  }

  // The first backup is taken by itself, and WAL is archived.
  await waitFor(
    async () => (await store.keys('basebackups_005/')).some((key) => key.endsWith('_sentinel.json')),
    {
      what: `the first backup; the primary says:\n${primary.running.stderr()}`,
      timeout: 120_000,
    },
  );

  // The primary is lost; its standby takes over, and the last one follows.
  await primary.value('INSERT INTO numbers VALUES (2)');
  await waitFor(async () => (await cascading.value('SELECT max(n) FROM numbers')) === '2');
  await primary.stop();
  expect((await primary.running.result).code).toBe(0);
  const promotion = await standby.run('promote');
  expect(promotion.code, promotion.stderr).toBe(0);
  expect((await standby.run('promote')).code).toBe(0);
  await standby.isUp('primary');
  await standby.value('INSERT INTO numbers VALUES (3)');
  await waitFor(async () => (await cascading.value('SELECT max(n) FROM numbers')) === '3');
  await standby.value('SELECT pg_switch_wal()');
  await waitFor(
    async () => {
      const keys = (await store.keys('wal_005/')).join('\n');
      return ['00000001', '00000002'].every((timeline) => keys.includes(`/${timeline}0000`));
    },
    { what: 'WAL of both timelines in the archive' },
  );
  expect((await store.keys('wal_005/')).some((key) => key.includes('00000002.history'))).toBe(true);

  // A promoted standby stays a primary; a lost primary does not become a standby by itself.
  await standby.stop();
  standby.start();
  await standby.isUp('primary');
  expect(standby.running.stderr()).toContain('it stays a primary');
  expect(await standby.value('SELECT max(n) FROM numbers')).toBe('3');
  primary.start({ ...follow(standby.port) });
  const refused = await primary.running.result;
  expect({ code: refused.code, stderr: refused.stderr }).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('holds a primary, and PGREPL_ROLE is STANDBY'),
  });

  // A standby keeps its data over a restart; another role in its environment promotes it.
  await cascading.stop();
  cascading.start({ PGREPL_ROLE: 'PRIMARY' });
  await cascading.isUp('primary');
  expect(cascading.running.stderr()).toContain('keeping the standby');
  expect(await cascading.value('SELECT max(n) FROM numbers')).toBe('3');
  await cascading.stop();

  // What was restored from the archive runs as a primary, never as a standby by mistake.
  const { dataDir } = await restore(store.env);
  const again = await startStreamingNode(nodeEnv(follow(standby.port)), { dataDir });
  expect((await again.running.result).code).toBe(4);
  expect(again.running.stderr()).toContain('backup-fetch --standby');
  again.start({ PGREPL_ROLE: 'PRIMARY' });
  await again.isUp('primary');
  expect(await again.value('SELECT max(n) FROM numbers')).toBe('3');
});

test('a copy that was cut off is begun anew; without a store the log says so; a wrong token ends it', async () => {
  const primary = await startStreamingNode({ PGREPL_ROLE: 'PRIMARY', PGREPL_TOKEN: TOKEN });
  await primary.isUp('primary');
  expect(primary.running.stderr()).toContain('NO WAL IS ARCHIVED');
  const standbyEnv = {
    PGREPL_ROLE: 'STANDBY',
    PGREPL_MASTER_IP: '127.0.0.1',
    PGREPL_MASTER_PORT: String(primary.port),
  };

  // As SIGKILL leaves it while the files are moved: everything but PG_VERSION is in place.
  const dataDir = join(await makeTemporaryFolder('data'), 'data');
  await makeOwnedDirectory(join(dataDir, 'pgrepl.incoming'));
  await makeOwnedDirectory(join(dataDir, 'base'));
  await writeFile(join(dataDir, 'pgrepl.incoming/PG_VERSION'), '15\n');
  const standby = await startStreamingNode({ ...standbyEnv, PGREPL_TOKEN: TOKEN }, { dataDir });
  await standby.isUp('standby');
  expect(standby.running.stderr()).toContain('was not finished');

  const stranger = await startStreamingNode({
    ...standbyEnv,
    PGREPL_TOKEN: 'another',
    PGREPL_MASTER_WAIT: '0',
  });
  expect((await stranger.running.result).code).toBe(7);
  expect(stranger.running.stderr()).toContain('the same PGREPL_TOKEN');

  // The token may change: the primary takes it at its next start, and a running standby's next start uses it.
  await primary.stop();
  primary.start({ PGREPL_TOKEN: 'another' });
  await primary.isUp('primary');
  await standby.stop();
  standby.start({ PGREPL_TOKEN: 'another' });
  await standby.isUp('standby');
  await waitFor(async () => (await primary.value('SELECT state FROM pg_stat_replication')) === 'streaming');
});
