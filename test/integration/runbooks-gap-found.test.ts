import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runDocPage } from '../support/doc-commands.ts';
import { startDocServer } from '../support/doc-server.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';

test('docs/runbooks/gap-found.md', async () => {
  const { minio, server, run } = await startDocServer();
  await server.query('CREATE TABLE t (i int)');
  /** Fills and archives a segment. @returns its name */
  const fillSegment = async () => {
    await server.query('INSERT INTO t VALUES (1)');
    const name = await server.value('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
    await server.archiveAll();
    return name;
  };
  const { stdout } = await mustRunPgarc(['backup-push', '--json'], { env: run.env });
  run.places.set('base_000000010000000000000002', JSON.parse(stdout).name);

  await runDocPage('docs/runbooks/gap-found.md', {
    ...run,
    steps: {
      async 'a segment disappears'() {
        const [, gone] = [await fillSegment(), await fillSegment(), await fillSegment()];
        await minio.remove(`main/wal_005/${gone}.lz4`);
        run.places.set('000000010000000000000004', gone!);
      },
      async 'another segment disappears for good'() {
        const [gone] = [await fillSegment(), await fillSegment()];
        await minio.remove(`main/wal_005/${gone}.lz4`);
        await rm(join(server.dataDir, 'pg_wal', gone!));
        run.places.set('000000010000000000000006', gone!);
      },
    },
  });
  expect((await runPgarc(['wal-verify'], { env: run.env })).code).toBe(0);
});
