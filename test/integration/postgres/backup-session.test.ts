import { expect, it, onTestFinished } from 'vitest';
import { type BackupSession, startBackupSession } from '../../../src/postgres/backup-session.ts';
import { connectPostgres, type PostgresSession } from '../../../src/postgres/connection.ts';
import { NEEDS_PRIMARY } from '../../../src/postgres/needs-primary.ts';
import { readServerFacts } from '../../../src/postgres/server.ts';
import { startPostgres, startStandby, type TestPostgres } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait.ts';

const { signal } = new AbortController();

async function connect({ socketDir, port }: TestPostgres): Promise<PostgresSession> {
  const session = await connectPostgres({
    ...{ pgHost: socketDir, pgPort: port, pgUser: 'postgres', pgDatabase: 'postgres' },
    ...{ pgPassword: undefined, pgPassfile: undefined, pgConnectTimeout: 10_000 },
    ...{ pgSslmode: undefined, pgSslrootcert: undefined, pgSslcert: undefined, pgSslkey: undefined },
  });
  onTestFinished(() => session.close());
  return session;
}

async function start(session: PostgresSession): Promise<BackupSession> {
  return await startBackupSession(session, await readServerFacts(session), { label: 'test', signal });
}

it.each([13, 15, 17] as const)('PostgreSQL %i: none of its timeouts ends a backup', async (version) => {
  const server = await startPostgres({ version });
  // One is of transactions that idle, of which there are none, the others of a peer that is gone.
  const limits = `select name, setting from pg_settings where context = 'user' and name ~ '_timeout$'
    and name not in ('idle_in_transaction_session_timeout', 'tcp_user_timeout', 'wal_sender_timeout')`;
  const names = (await server.query<{ name: string }>(limits)).map(({ name }) => name);
  for (const name of names) await server.query(`alter role postgres set ${name} = '1h'`);
  const session = await connect(server);
  const read = async () => new Set((await session.query(limits)).map(({ setting }) => setting));
  expect(await read()).toEqual(new Set(['3600000']));
  const backup = await start(session);
  expect(await read()).toEqual(new Set(['0']));
  await backup.stop();
});

it('a standby after a failover says what its backup waits for: a checkpoint of the new primary', async () => {
  const old = await startPostgres();
  // Its checkpoint after the promotion takes its time.
  const primary = await startStandby(old, { settings: { checkpoint_timeout: '1h' } });
  const standby = await startStandby(primary);
  await old.query("create table t as select i, repeat('x', 500) from generate_series(1, 30000) as i");
  const end = await old.value('select pg_current_wal_lsn()');
  const hasReplayed = async (server: TestPostgres, lsn: string) =>
    (await server.value('select pg_last_wal_replay_lsn() >= $1::pg_lsn', [lsn])) === 'true';
  await waitFor(async () => (await hasReplayed(primary, end)) && (await hasReplayed(standby, end)), {
    what: 'replay of the old timeline',
  });
  await primary.promote();
  await waitFor(async () => (await standby.value('select received_tli from pg_stat_wal_receiver')) === '2', {
    what: 'the standby to follow',
  });
  const session = await connect(standby);
  await expect(start(session)).rejects.toMatchObject({
    code: 'refused',
    message: 'this standby follows timeline 2, but its last restartpoint is on timeline 1',
    hint: expect.stringContaining('checkpoint'),
    retryable: true,
    details: { reason: NEEDS_PRIMARY },
  });

  await primary.query('checkpoint');
  const checkpointed = await primary.value('select pg_current_wal_lsn()');
  await waitFor(() => hasReplayed(standby, checkpointed), { what: 'replay of the checkpoint' });
  const backup = await start(session);
  expect(backup.timeline).toBe(2);
  await backup.stop();
});
