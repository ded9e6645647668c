import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { type RunResult, runPgarc } from '../support/pgarc.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { makeSegment } from '../support/wal-segment.ts';

/** The two commands as PostgreSQL calls them, without a server. */
interface Host {
  data: string;
  push(name: string, bytes: Uint8Array): Promise<RunResult>;
  fetch(name: string, destination?: string): Promise<RunResult>;
  read(name: string): Promise<Buffer>;
}

type StoreKind = 'MinIO' | 'folder';

let minio: TestMinio;
beforeAll(async () => {
  minio = await startMinio();
});

async function makeHost(env: Record<string, string>): Promise<Host> {
  const data = await makeOwnedDirectory(join(await makeTemporaryFolder(), 'data'));
  await mkdir(join(data, 'pg_wal'));
  const options = { cwd: data, env: { PGARC_SPOOL: join(data, 'spool'), ...env }, asPostgres: false };
  return {
    data,
    async push(name, bytes) {
      await writeFile(join(data, 'pg_wal', name), bytes);
      return runPgarc(['wal-push', `pg_wal/${name}`], options);
    },
    fetch: (name, destination = 'pg_wal/RECOVERYXLOG') => runPgarc(['wal-fetch', name, destination], options),
    read: (name) => readFile(join(data, name)),
  };
}

async function makeEnv(kind: StoreKind, prefix: string): Promise<Record<string, string>> {
  if (kind === 'MinIO') return minio.env(prefix);
  return { PGARC_STORE: `file://${await makeTemporaryFolder('store')}` };
}

describe.each<StoreKind>(['MinIO', 'folder'])('wal-push and wal-fetch with %s', (kind) => {
  it('keeps the exit codes PostgreSQL relies on', async () => {
    const host = await makeHost(await makeEnv(kind, 'codes'));
    const { name, bytes } = makeSegment({ size: 2 ** 24, number: 3 });
    expect(await host.push(name, bytes)).toMatchObject({ code: 0, stdout: '' });
    expect(await host.push(name, bytes)).toMatchObject({ code: 0 });
    const other = Buffer.from(bytes);
    other.writeUInt8(1, 12_345_678);
    expect(await host.push(name, other)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'stored are 16777216 bytes, the file has 16777216, and they differ from byte 12345678 on',
      ),
    });
    expect(await host.fetch(name)).toMatchObject({ code: 0, stdout: '' });
    expect((await host.read('pg_wal/RECOVERYXLOG')).equals(bytes)).toBe(true);

    const missing = await host.fetch('000000010000000000000004');
    expect(missing).toMatchObject({ code: 74, stderr: expect.stringContaining('is not in the archive') });
    expect(await host.fetch('00000002.history')).toMatchObject({ code: 74 });
  });

  it('lets one of two primaries win a name', async () => {
    const env = await makeEnv(kind, 'race');
    const hosts = await Promise.all([makeHost(env), makeHost(env)]);
    // The archive is claimed first: the race is about the segment.
    const first = makeSegment({ number: 2 });
    await Promise.all(hosts.map((host) => host.push(first.name, first.bytes)));
    const rivals = [makeSegment({ seed: 'a' }), makeSegment({ seed: 'b' })] as const;
    const { name } = rivals[0];
    const codes = await Promise.all(
      hosts.map(async (host, i) => (await host.push(name, rivals[i]!.bytes)).code),
    );
    expect(codes.toSorted()).toEqual([0, 1]);
    expect(await hosts[0]!.fetch(name)).toMatchObject({ code: 0 });
    const winner = rivals[codes.indexOf(0)]!;
    expect((await hosts[0]!.read('pg_wal/RECOVERYXLOG')).equals(winner.bytes)).toBe(true);
  });

  it('refuses another cluster, and its files on the way back', async () => {
    const env = await makeEnv(kind, 'identity');
    const own = makeSegment();
    const foreign = makeSegment({ number: 5, systemIdentifier: 42n });
    expect(await (await makeHost(env)).push(own.name, own.bytes)).toMatchObject({ code: 0 });
    expect(await (await makeHost(env)).push(foreign.name, foreign.bytes)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        'belongs to the cluster with system identifier [0-9]+, and this one has 42',
      ),
    });
  });

  it('moves segments of 64 MiB and more', async () => {
    const host = await makeHost(await makeEnv(kind, 'large'));
    for (const size of [2 ** 26, 2 ** 27]) {
      const { name, bytes } = makeSegment({ size, number: 2 ** 28 / size });
      expect(await host.push(name, bytes)).toMatchObject({ code: 0 });
      expect(await host.push(name, bytes)).toMatchObject({ code: 0 });
      expect(await host.fetch(name)).toMatchObject({ code: 0 });
      expect((await host.read('pg_wal/RECOVERYXLOG')).equals(bytes)).toBe(true);
    }
  });

  it('says 255 instead of "not there" for everything else, and 75 on a standby', async () => {
    const env = await makeEnv(kind, 'damage');
    const host = await makeHost(env);
    const { name, bytes } = makeSegment({ number: 3 });
    await host.push(name, bytes);
    const swapped = '000000010000000000000004';
    await copyObject(kind, env, `wal_005/${name}.lz4`, `wal_005/${swapped}.lz4`);
    const answer = { stderr: expect.stringContaining(`wal_005/${swapped}.lz4 is damaged`) };
    expect(await host.fetch(swapped)).toMatchObject({ code: 255, ...answer });
    await writeFile(join(host.data, 'standby.signal'), '');
    expect(await host.fetch(swapped)).toMatchObject({ code: 75, ...answer });
    expect(await host.fetch('not-a-wal-file')).toMatchObject({ code: 75 });
    expect(await host.fetch('000000010000000000000009')).toMatchObject({ code: 74 });
  });
});

it('asks S3 once for a push and a hit, and three times for a miss', async () => {
  const proxy = await startFaultProxy(minio.endpoint);
  const host = await makeHost(minio.env('requests', proxy.endpoint));
  const [first, second] = [makeSegment({ number: 1 }), makeSegment({ number: 2 })];
  await host.push(first.name, first.bytes);
  const seen = async (run: Promise<RunResult>) => {
    proxy.reset();
    const { code } = await run;
    return { code, methods: proxy.requests.map(({ method }) => method) };
  };
  expect(await seen(host.push(second.name, second.bytes))).toMatchObject({ code: 0, methods: ['PUT'] });
  expect(await seen(host.fetch(second.name))).toMatchObject({ code: 0, methods: ['GET'] });
  // The object, the same name with any extension, and whether the archive is still there at all.
  const miss = await seen(host.fetch('000000010000000000000FF0'));
  expect(miss).toMatchObject({ code: 74, methods: ['GET', 'GET', 'GET'] });
});

async function copyObject(
  kind: StoreKind,
  env: Record<string, string>,
  from: string,
  to: string,
): Promise<void> {
  const root = env.PGARC_STORE!.replace(/^(file:\/\/|s3:\/\/[^/]+\/)/, '');
  if (kind === 'MinIO') await minio.write(`${root}/${to}`, await minio.read(`${root}/${from}`));
  else await copyFile(join(root, from), join(root, to));
}
