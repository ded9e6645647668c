import { test } from 'vitest';
import { runDocPage } from '../support/doc-commands.ts';
import { makeFullStore, startDocServer } from '../support/doc-server.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const WAITING = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

test('docs/runbooks/archive-broken.md', async () => {
  const room = await makeFullStore();
  const { minio, server, run, configure } = await startDocServer({ storeFolder: room?.folder });
  await mustRunPgarc(['backup-push'], { env: run.env });

  /** Writes a segment and waits until the archiver has failed with one. */
  async function failToArchive(): Promise<string> {
    const { failed_count: before } = (await server.query('SELECT failed_count FROM pg_stat_archiver'))[0]!;
    await server.query("SELECT pg_logical_emit_message(true, 'a', 'b')");
    await server.query('SELECT pg_switch_wal()');
    return waitFor(
      async () => {
        const [row] = await server.query('SELECT failed_count, last_failed_wal FROM pg_stat_archiver');
        return row!.failed_count > before && (row!.last_failed_wal as string);
      },
      { what: 'a failure to archive' },
    );
  }

  await runDocPage('docs/runbooks/archive-broken.md', {
    ...run,
    varying: [[/\b\d+(\.\d+)?[KMGT] free/g, 'SIZE free']],
    steps: {
      async 'the credentials are changed'() {
        await server.archiveAll();
        await waitFor(async () => (await server.value(WAITING)) === '0', {
          what: 'an archiver with nothing to do',
        });
        await configure({ 'aws-secret-access-key': 'of-yesterday' });
        await failToArchive();
      },
      'the credentials are right again': () => configure({ 'aws-secret-access-key': minio.secretKey }),
      'the store is full': async () => room?.fill() ?? false,
      async 'the store has room'() {
        await room?.empty();
        // It looks how full its disk is from time to time.
        await waitFor(() => minio.write('probe', '').then(() => true), { what: 'a store with room' });
      },
      async 'another server archives here'() {
        const dataDir = `${await makeTemporaryFolder('copy')}/data`;
        await server.tool('pg_basebackup', ['-D', dataDir, '-X', 'stream', '-c', 'fast']);
        const copy = await startPostgres({
          dataDir,
          env: { PGARC_CONFIG: run.env.PGARC_CONFIG },
          archive: true,
        });
        await copy.query('CREATE TABLE elsewhere ()');
        await copy.archiveAll();
        await copy.stop();
        run.places.set('00000001000000000000000A', await failToArchive());
      },
    },
  });
});
