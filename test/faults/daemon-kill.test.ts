import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { PGARC } from '../support/pgarc.ts';
import { fillPgbench, startPgbench } from '../support/pgbench.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const KILLS = 50;

/** archive_command that keeps what it was told is stored: PostgreSQL removes it soon. */
const KEEPER = `#!/bin/sh
[ ! -e "$PGARC_SPOOL/out/\${1##*/}.ok" ] || echo marker >>"$NOTES"
"${PGARC}" wal-push "$1" || exit
cp "$1" "$KEPT/\${1##*/}.new" && mv "$KEPT/\${1##*/}.new" "$KEPT/\${1##*/}"
`;

it(`a daemon killed ${KILLS} times loses nothing that PostgreSQL took for archived`, async () => {
  const minio = await startMinio();
  const folder = await makeTemporaryFolder('kept');
  const kept = await makeTemporaryFolder('kept');
  const keeper = join(folder, 'keeper');
  const notes = join(folder, 'notes');
  await writeFile(keeper, KEEPER, { mode: 0o755 });
  const env = {
    ...minio.env('killed'),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    KEPT: kept,
    NOTES: notes,
  };
  const server = await startPostgres({
    env,
    walSegmentSize: 1,
    settings: {
      archive_mode: 'on',
      archive_command: `${keeper} %p`,
      min_wal_size: '2MB',
      max_wal_size: '16MB',
    },
  });
  await fillPgbench(server, 1);
  const stop = startPgbench(server, 600);
  let isOver = false;
  const noise = makeNoise(server, () => isOver);
  const daemonEnv = { ...env, PGDATA: server.dataDir };
  const countNotes = async () => (await readFile(notes, 'utf8').catch(() => '')).split('\n').length;
  let served = 0;
  for (let kill = 0; kill < KILLS || ((await countNotes()) <= 10 && kill < 5 * KILLS); kill++) {
    // Any moment of its life: while it starts, and in the middle of uploads.
    const daemon: TestDaemon = await startDaemon(daemonEnv, { wait: kill % 3 > 0 });
    if (kill % 3 > 0) await waitFor(() => hasPushed(daemon), { what: 'an upload', interval: 5 });
    await sleep(Math.random() * 800);
    if (hasPushed(daemon)) served += 1;
    await daemon.kill();
  }
  await startDaemon(daemonEnv);
  await waitFor(async () => (await readdir(kept)).length > KILLS + 1, { what: 'enough WAL' });
  isOver = true;
  await noise;
  await stop();
  await server.archiveAll();
  expect(served).toBeGreaterThan(KILLS / 4);
  expect(await countNotes()).toBeGreaterThan(10);

  const names = await findArchived(server, kept);
  expect(names.length).toBeGreaterThan(KILLS);
  const wrong = [];
  for (const name of names)
    if (!(await isStored(minio, name, await readFile(join(kept, name))))) wrong.push(name);
  expect(wrong).toEqual([]);
});

function hasPushed(daemon: TestDaemon): boolean {
  return /walPushed|walAlreadyStored/.test(daemon.stderr());
}

/** WAL in larger pieces beside pgbench's. */
async function makeNoise(server: TestPostgres, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await server.query("SELECT pg_logical_emit_message(true, 'noise', repeat(md5(random()::text), 8000))");
    await sleep(100);
  }
}

/** What PostgreSQL took for archived: all its archive_command has kept, which must hold every .done and the last. */
async function findArchived(server: TestPostgres, kept: string): Promise<string[]> {
  const names = (await readdir(kept)).filter((name) => !name.endsWith('.new'));
  const done = (await readdir(join(server.dataDir, 'pg_wal/archive_status')))
    .filter((name) => name.endsWith('.done'))
    .map((name) => name.slice(0, -'.done'.length));
  expect(names).toEqual(expect.arrayContaining(done));
  await waitFor(
    async () => names.includes(await server.value('SELECT last_archived_wal FROM pg_stat_archiver')),
    {
      what: 'the last archived file among those that were kept',
    },
  );
  return names;
}

async function isStored(minio: TestMinio, name: string, bytes: Buffer): Promise<boolean> {
  const object = await minio.read(`killed/wal_005/${name}.lz4`).catch(() => undefined);
  return object !== undefined && (await unpackLz4(object)).equals(bytes);
}
