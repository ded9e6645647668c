import { expect, test } from 'vitest';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { startPostgres, startStandby } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

test('PostgreSQL 15 starts, streams to a standby, which is promoted; a kill -9 is survived', async () => {
  const primary = await startPostgres();
  await primary.query('CREATE TABLE t AS SELECT 1 AS a');
  const standby = await startStandby(primary);
  await waitFor(async () => (await standby.value('SELECT count(*) FROM t')) === '1');
  await standby.promote();
  expect(await standby.psql('INSERT INTO t VALUES (2) RETURNING a')).toBe('2');
  await primary.kill();
  await primary.start();
  expect(await primary.value('SELECT count(*) FROM t')).toBe('1');
  await primary.stop();
  expect(primary.isRunning()).toBe(false);
});

test('the bare PostgreSQL 18 of npm starts', async () => {
  const server = await startPostgres({ version: 18, walSegmentSize: 1 });
  expect(await server.value('SHOW wal_segment_size')).toBe('1MB');
});

test('MinIO answers over TLS and keeps what it has over a restart', async () => {
  const minio = await startMinio({ tls: true });
  await minio.write('a/b', 'text');
  await minio.kill();
  await minio.start();
  expect(await minio.keys('a/')).toEqual(['a/b']);
  expect(String(await minio.read('a/b'))).toBe('text');
});

test('the fault proxy passes signed requests on and spoils those it is told to', async () => {
  const minio = await startMinio();
  const proxy = await startFaultProxy(minio.endpoint);
  const s3 = await import('@aws-sdk/client-s3');
  const client = new s3.S3Client({
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: minio.accessKey, secretAccessKey: minio.secretKey },
  });
  const key = { Bucket: minio.bucket, Key: 'k' };
  const body = Buffer.alloc(3_000_000, 'x');
  const get = async () => {
    const answer = await client.send(new s3.GetObjectCommand(key));
    return Buffer.from(await answer.Body!.transformToByteArray());
  };
  await client.send(new s3.PutObjectCommand({ ...key, Body: body }));
  expect((await get()).equals(body)).toBe(true);

  const spoilt: [Parameters<typeof proxy.add>[0]['fault'], RegExp][] = [
    [
      {
        kind: 'respond',
        status: 503,
        body: '<Error><Code>SlowDown</Code><Message>SlowDown</Message></Error>',
      },
      /SlowDown/,
    ],
    [{ kind: 'reset-request' }, /ECONNRESET|hang up/],
    [{ kind: 'lose-answer' }, /ECONNRESET|hang up/],
    [{ kind: 'reset-answer', afterBytes: 1000 }, /ECONNRESET|aborted/],
    [{ kind: 'truncate', afterBytes: 1000 }, /aborted|ECONNRESET/],
    [{ kind: 'flip-answer', offset: 2_000_000 }, /checksum/i],
    [{ kind: 'shorten', afterBytes: 1000 }, /checksum/i],
  ];
  for (const [fault, message] of spoilt) {
    proxy.reset();
    proxy.add({ method: 'GET', path: /\/k\b/, nth: 1, fault });
    await expect(get(), fault.kind).rejects.toThrow(message);
    expect((await get()).equals(body), `after ${fault.kind}`).toBe(true);
  }
  proxy.reset();
  proxy.add({ method: 'PUT', fault: { kind: 'flip-request', offset: 5 } });
  await expect(client.send(new s3.PutObjectCommand({ ...key, Body: body }))).rejects.toThrow(
    /checksum|digest|does not match/i,
  );
  proxy.reset();
  proxy.add({ method: 'GET', fault: { kind: 'stall', afterBytes: 10 } });
  await expect(
    client
      .send(new s3.GetObjectCommand(key), { abortSignal: AbortSignal.timeout(500) })
      .then(async (answer) => {
        await Promise.race([
          answer.Body!.transformToByteArray(),
          new Promise((_, reject) => setTimeout(() => reject(new Error('stalled')), 300)),
        ]);
      }),
  ).rejects.toThrow(/stalled|abort/i);
  await proxy.close();
  await expect(get()).rejects.toThrow(/ECONNREFUSED/);
  await proxy.open();
  proxy.reset();
  expect((await get()).equals(body)).toBe(true);
  client.destroy();
});
