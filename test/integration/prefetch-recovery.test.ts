import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { makeRecoveryArchive, type RecoveryArchive, waitForLog } from '../support/recovery.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** Real servers recover through the launcher and a daemon, without Node: what they get came the fast way. */

let minio: TestMinio;
let archive: RecoveryArchive;
beforeAll(async () => {
  minio = await startMinio({ tls: true });
  archive = await makeRecoveryArchive(minio, 'cluster', 6);
});

/** Fewer than are archived, and than `prefetch-segments`. */
const AHEAD = 4;

interface Served {
  server: TestPostgres;
  daemon: TestDaemon;
  /** Segments that lie ready. */
  ahead(): Promise<number>;
  metric(name: string): Promise<number | undefined>;
}

/** The daemon is there before the server. */
async function serve(signal: 'recovery' | 'standby', options: { gate?: string } = {}): Promise<Served> {
  const spool = await makeOwnedDirectory(join(await makeTemporaryFolder('spool'), 'spool'));
  const env = { ...minio.env('cluster'), PGARC_SPOOL: spool, PGARC_NODE: '/nonexistent/node' };
  const server = await archive.prepare(signal, env, options);
  const { PGARC_NODE: _, ...withNode } = env;
  const daemon = await startDaemon({ ...withNode, PGDATA: server.dataDir, PGARC_HTTP_LISTEN: '127.0.0.1:0' });
  const url = /httpListening url=(\S+)/.exec(daemon.stderr())?.[1];
  return {
    server,
    daemon,
    async ahead() {
      const names = await readdir(join(spool, 'in')).catch(() => []);
      return names.filter((name) => /^[0-9A-F]{24}$/.test(name)).length;
    },
    async metric(name) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split('\n').find((one) => one.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.split(' ')[1]);
    },
  };
}

it('recovers to the end of the archive, with what was fetched ahead', async () => {
  const gate = join(await makeOwnedDirectory(join(await makeTemporaryFolder('gate'), 'gate')), 'open');
  const { server, daemon, ahead, metric } = await serve('recovery', { gate });
  const starting = server.start();
  // Nobody has asked for these yet.
  await waitFor(async () => (await ahead()) >= AHEAD, {
    what: `${AHEAD} segments ahead; the daemon says:\n${daemon.stderr()}`,
  });
  await writeFile(gate, '');
  await starting;
  await archive.recovered(server);
  await waitForLog(server, 'archive recovery complete');
  await waitFor(async () => (await metric('pgarc_wal_prefetch_hits_total'))! >= AHEAD, {
    what: `hits; the daemon says:\n${daemon.stderr()}`,
  });
  expect(await metric('pgarc_store_last_answer_timestamp_seconds')).toBeGreaterThan(1.7e9);
  await server.stop();
});

it('feeds a standby as the archive grows, and through a switch of timelines', async () => {
  const { server } = await serve('standby');
  await server.start();
  await archive.recovered(server);
  for (let i = 0; i < 2; i++) {
    await archive.grow(10_000);
    await archive.recovered(server);
  }

  // Another server takes over; this one follows it into the next timeline.
  const other = await archive.prepare('standby', {}, { archive: true });
  await other.start();
  await archive.recovered(other);
  await archive.primary.stop();
  await other.promote();
  await other.query('INSERT INTO rows SELECT i FROM generate_series(1, 1000) i');
  await other.archiveAll();
  await waitFor(async () => (await server.value('SELECT count(*) FROM rows WHERE text IS NULL')) === '1000', {
    timeout: 120_000,
    what: `the new timeline; the server says:\n${(await server.log()).slice(-3000)}`,
  });
  expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
  await server.stop();
});
