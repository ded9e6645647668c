import { expect, test } from 'vitest';
import { runDocPage } from '../support/doc-commands.ts';
import { startDocServer } from '../support/doc-server.ts';
import { mustRunPgarc } from '../support/pgarc.ts';

test('docs/runbooks/bucket-lost.md', async () => {
  const { minio, server, run } = await startDocServer();
  await mustRunPgarc(['backup-push'], { env: run.env });
  await server.archiveAll();

  await runDocPage('docs/runbooks/bucket-lost.md', {
    ...run,
    steps: {
      async 'the bucket is deleted'() {
        for (const key of await minio.keys()) await minio.remove(key);
        const { DeleteBucketCommand } = await import('@aws-sdk/client-s3');
        await minio.client.send(new DeleteBucketCommand({ Bucket: minio.bucket }));
        await server.query("SELECT pg_logical_emit_message(true, 'a', 'b')");
        await server.query('SELECT pg_switch_wal()');
      },
      'there is a new bucket': () => minio.makeBucket('backups-2'),
    },
  });
  expect(await server.value('SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver')).toBe('true');
});
