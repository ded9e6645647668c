import { expect, test } from 'vitest';
import { startMinio } from '../../support/minio.ts';
import { runPgarc } from '../../support/pgarc.ts';
import { startPostgres, startStandby } from '../../support/postgres.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

interface Report {
  ok: boolean;
  findings: { name: string; status: string; message: string; hint?: string }[];
}

async function check(env: Record<string, string | undefined>, ...args: string[]) {
  const { code, stdout, stderr } = await runPgarc(['check', '--json', ...args], { env });
  const report = JSON.parse(stdout) as Report;
  const status = Object.fromEntries(report.findings.map((finding) => [finding.name, finding.status]));
  return { code, report, status, stderr };
}

const ALL_OK = {
  settings: 'ok',
  spool: 'ok',
  store: 'ok',
  etcd: 'skipped',
  postgres: 'ok',
  pgdata: 'ok',
  identity: 'ok',
  'wal-level': 'ok',
  'archive-mode': 'ok',
  'archive-command': 'ok',
  'round-trip': 'ok',
  archiver: 'ok',
};

test('a primary that archives to S3, then its standby, then the store gone', async () => {
  const minio = await startMinio();
  const env: Record<string, string> = {
    ...minio.env('check'),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
  };
  const primary = await startPostgres({ archive: true, env });
  const server = { ...env, ...primary.env, PGDATA: primary.dataDir };

  const good = await check(server);
  expect(good.report.findings.filter(({ status }) => status !== 'ok')).toEqual([
    { name: 'etcd', status: 'skipped', message: 'not configured' },
  ]);
  expect([good.code, good.status]).toEqual([0, ALL_OK]);
  expect((await minio.keys('')).filter((key) => key.includes('pgarc/check/'))).toEqual([]);

  const standby = await startStandby(primary, { archive: true, env });
  await waitFor(async () => (await standby.value('SELECT pg_is_in_recovery()')) === 'true');
  const replica = await check({ ...env, ...standby.env, PGDATA: standby.dataDir });
  expect([replica.code, replica.status['round-trip']]).toEqual([0, 'skipped']);

  const foreign = await check({ ...server, PGDATA: standby.dataDir });
  expect([foreign.code, foreign.status.pgdata]).toEqual([4, 'failed']);

  const away = await check({ ...server, AWS_ENDPOINT: 'http://127.0.0.1:9' }, '--store-timeout', '1s');
  expect([away.code, away.status.store, away.status['round-trip'], away.status['wal-level']]).toEqual([
    7,
    'failed',
    'skipped',
    'ok',
  ]);
  expect(JSON.stringify(away)).not.toContain(env.AWS_SECRET_ACCESS_KEY);
});

test('a server whose archive_command fails', async () => {
  const store = await makeTemporaryFolder('store');
  const env = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const primary = await startPostgres({
    env,
    settings: { archive_mode: 'on', archive_command: 'false %p' },
  });
  const bad = await check({ ...env, ...primary.env, PGDATA: primary.dataDir }, '--archive-timeout', '10s');
  expect(bad.status).toMatchObject({
    store: 'ok',
    'archive-command': 'warning',
    'round-trip': 'failed',
    archiver: 'failed',
  });
  expect(bad.code).toBe(8);
});

test('a server that does not answer', async () => {
  const store = await makeTemporaryFolder('store');
  const env = {
    PGARC_STORE: `file://${store}`,
    PGHOST: '/nowhere',
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
  };
  const gone = await check(env);
  expect([gone.code, gone.status.postgres, gone.status['round-trip']]).toEqual([7, 'failed', 'skipped']);
  const unset = await check({ PGARC_SPOOL: env.PGARC_SPOOL });
  expect([unset.code, unset.status]).toEqual([2, { settings: 'failed' }]);
  const contradicting = await check({ ...env, PGARC_SCHEDULE_BACKUP_JITTER: '1h' });
  expect([contradicting.code, contradicting.status]).toEqual([2, { settings: 'failed' }]);
});
