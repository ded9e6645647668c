import { expect, it, onTestFinished } from 'vitest';
import { type BackupSession, startBackupSession } from '../../../src/postgres/backup-session.ts';
import { connectPostgres, type PostgresSession } from '../../../src/postgres/connection.ts';
import { readServerFacts } from '../../../src/postgres/server.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

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
