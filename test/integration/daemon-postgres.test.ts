import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { startMinio } from '../support/minio.ts';
import { runPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

it('a daemon that is there before PostgreSQL archives for it through restarts and a crash', async () => {
  const minio = await startMinio({ tls: true });
  const data = join(await makeTemporaryFolder('pg'), 'data');
  const env = { ...minio.env('life'), PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const daemon = await startDaemon({ ...env, PGDATA: data }, { wait: false });
  await waitFor(() => daemon.stderr().includes('daemonWaiting'));
  const server = await startPostgres({
    archive: true,
    env: { ...env, PGARC_NODE: '/bin/false' },
    newDataDir: data,
    settings: { wal_keep_size: '2GB' },
  });
  await waitFor(() => daemon.stderr().includes('daemonReady'));
  await server.query('CREATE TABLE rows (id int, text text)');
  await fill(server);
  await server.stop('fast');
  await server.start();
  await fill(server);
  await server.kill();
  await server.start();
  await fill(server);

  // Nothing but marker and socket can have done it: there was no Node.
  const done = (await readdir(join(data, 'pg_wal/archive_status'))).filter((name) => name.endsWith('.done'));
  expect(done.length).toBeGreaterThan(5);
  for (const name of done.map((entry) => entry.slice(0, -'.done'.length))) {
    const stored = await unpackLz4(await minio.read(`life/wal_005/${name}.lz4`));
    expect(stored.equals(await readFile(join(data, 'pg_wal', name))), name).toBe(true);
  }
  expect(await server.value('SELECT failed_count FROM pg_stat_archiver')).toBe('0');
  expect(daemon.stderr().match(/daemonReady/g)).toHaveLength(1);
  expect(daemon.stderr()).not.toContain('warning');

  // As Patroni calls it: the server is down, the path absolute.
  await server.stop();
  const path = join(data, 'pg_wal', done.at(-1)!.slice(0, -'.done'.length));
  expect(await runPgarc(['wal-push', path], { env: { ...env, PGARC_NODE: '/bin/false' } })).toMatchObject({
    code: 0,
  });
  await daemon.kill();
  expect(await runPgarc(['wal-push', path], { env })).toMatchObject({ code: 0 });
});

async function fill(server: TestPostgres): Promise<void> {
  await server.query('INSERT INTO rows SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 100000) i');
  await server.archiveAll();
}
