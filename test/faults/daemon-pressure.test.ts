import { randomFillSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { countConnections, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type FakeCluster, makeFakeCluster } from '../support/fake-cluster.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { runPgarc } from '../support/pgarc.ts';
import { unpackLz4 } from '../support/stored-segment.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const MIB = 2 ** 20;
/** Ends what hangs for minutes elsewhere. */
const IMPATIENT = { PGARC_STORE_TIMEOUT: '1s', PGARC_UPLOAD_CONCURRENCY: '4' };
const NO_NODE = { PGARC_NODE: '/bin/false' };

let minio: TestMinio | undefined;
let proxy: FaultProxy;
let cluster: FakeCluster;
let env: Record<string, string>;
let prefixes = 0;

beforeEach(async () => {
  minio ??= await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
  cluster = await makeFakeCluster();
  prefixes += 1;
  env = {
    ...minio.env(`pressure${prefixes}`, proxy.endpoint),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGDATA: cluster.data,
  };
});

async function residentMiB({ pid }: TestDaemon): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

describe('a store that is down', () => {
  it('has nothing acknowledged, costs no memory and few lines, and gets the backlog oldest first', async () => {
    const daemon = await startDaemon({ ...env, ...IMPATIENT });
    const first = await cluster.add({ number: 1, size: 16 * MIB });
    await daemon.marked(first.name);
    proxy.add({ fault: { kind: 'respond', status: 503, body: '<Error><Code>SlowDown</Code></Error>' } });
    const waiting = [];
    for (let number = 2; number <= 40; number++) waiting.push(await cluster.add({ number, size: 16 * MIB }));
    const failing = { env: { ...env, ...NO_NODE }, cwd: cluster.data };
    const memory: number[] = [];
    const begin = performance.now();
    for (let round = 0; round < 10 || (proxy.requests.length <= 100 && round < 50); round++) {
      const answers = await Promise.all(
        waiting.slice(0, 6).map(({ name }) => runPgarc(['wal-push', `pg_wal/${name}`], failing)),
      );
      for (const answer of answers)
        expect(answer).toMatchObject({ code: 7, stderr: expect.stringMatching(/^pgarc: /) });
      memory.push(await residentMiB(daemon));
    }
    expect(waiting.filter(({ name }) => daemon.isMarked(name))).toEqual([]);
    // What leaked with each of the sixty attempts would be 16 MiB.
    expect(Math.max(...memory.slice(6)) - Math.max(...memory.slice(1, 5)), memory.join()).toBeLessThan(100);
    expect(proxy.requests.length).toBeGreaterThan(100);
    await waitFor(() => daemon.stderr().includes('storeDown'));

    proxy.reset();
    for (const { name } of waiting) await daemon.marked(name);
    const stored = proxy.requests.flatMap(({ method, path }) =>
      method === 'PUT' ? (path.match(/[0-9A-F]{24}/) ?? []) : [],
    );
    // Each begins in its turn; four at a time may overtake one another.
    const order = [...new Set(stored)];
    expect(order.toSorted()).toEqual(waiting.map(({ name }) => name).toSorted());
    for (const [at, name] of order.entries()) {
      const begun = new Set(order.slice(0, at));
      const turn = waiting.findIndex((segment) => segment.name === name);
      const overtaken = waiting.slice(0, turn).filter((older) => !begun.has(older.name));
      expect(overtaken.length, name).toBeLessThanOrEqual(4);
    }
    const lines = daemon.stderr();
    expect(lines).not.toContain('storeRetry');
    // After ten seconds, then once a minute.
    const minutes = Math.floor((performance.now() - begin) / 60_000);
    expect(lines.match(/storeDown/g)!.length).toBeLessThanOrEqual(1 + minutes);
    expect(lines.match(/storeUp/g)).toHaveLength(1);
    expect(await runPgarc(['wal-push', `pg_wal/${waiting[0]!.name}`], failing)).toMatchObject({ code: 0 });
  });

  it('keeps nobody waiting longer than without a daemon', async () => {
    const daemon = await startDaemon({ ...env, ...IMPATIENT });
    proxy.add({ fault: { kind: 'respond', status: 503 } });
    const segments = [];
    for (let number = 1; number <= 10; number++) segments.push(await cluster.add({ number }));
    await waitFor(() => proxy.requests.length > 5);
    const last = segments.at(-1)!;
    const options = { cwd: cluster.data, env: { ...env, ...IMPATIENT } };
    const asked = await runPgarc(['wal-push', `pg_wal/${last.name}`], {
      ...options,
      env: { ...options.env, ...NO_NODE },
    });
    const direct = await runPgarc(['wal-push', `pg_wal/${last.name}`], {
      ...options,
      env: { ...options.env, PGARC_DAEMON: 'no' },
    });
    expect([asked.code, direct.code]).toEqual([7, 7]);
    // The same patience, a second by its settings, from the first attempt on.
    for (const { stderr } of [asked, direct]) {
      const seconds = Number(/\(tried \d+ times in (\d+\.\d) s\)/.exec(stderr)?.[1] ?? 1);
      expect(seconds, stderr).toBeGreaterThanOrEqual(1);
      expect(seconds, stderr).toBeLessThan(10);
    }
    await daemon.kill();
  });

  it('answers who asks while all that it does by itself hangs', async () => {
    const patience = { PGARC_STORE_TIMEOUT: '10min', PGARC_REQUEST_TIMEOUT: '10min' };
    const daemon = await startDaemon({ ...env, ...IMPATIENT, ...patience });
    const first = await cluster.add({ number: 1 });
    await daemon.marked(first.name);
    const last = '0000000100000000000000FF';
    const denied = '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
    proxy.add({ path: new RegExp(last), fault: { kind: 'respond', status: 403, body: denied } });
    const isOver = Promise.withResolvers<void>();
    proxy.add({ fault: { kind: 'hold', until: isOver.promise } });
    for (let number = 2; number <= 10; number++) await cluster.add({ number });
    const held = () => proxy.requests.filter(({ fault }) => fault === 'hold');
    await waitFor(() => held().length >= 4, { what: 'as many uploads as there may be' });
    const { name } = await cluster.add({ number: 255, ready: false });
    expect(name).toBe(last);
    const asked = await runPgarc(['wal-push', `pg_wal/${name}`], {
      cwd: cluster.data,
      env: { ...env, ...NO_NODE },
    });
    expect(asked).toMatchObject({ code: 7, stderr: expect.stringContaining('AccessDenied') });
    expect(held().filter(({ status }) => status !== undefined)).toEqual([]);
    isOver.resolve();
    await daemon.kill();
  });
});

it('the upload of a wiped cluster’s segment is not taken for that of the new one’s', async () => {
  await startDaemon(env);
  const { name, bytes } = await cluster.add({ number: 1, seed: 'old' });
  const isOver = Promise.withResolvers<void>();
  const hold = { kind: 'hold', until: isOver.promise } as const;
  proxy.add({ method: 'PUT', path: new RegExp(name), times: 1, fault: hold });
  await waitFor(() => proxy.requests.some(({ fault }) => fault === 'hold'));
  await cluster.renew();
  const renewed = await cluster.add({ number: 1, seed: 'new' });
  expect(renewed.name).toBe(name);
  const asking = runPgarc(['wal-push', renewed.path], { env });
  // It waits for the daemon, or has been answered already.
  const answered = asking.then(() => true);
  await waitFor(
    async () =>
      (await countConnections(env.PGARC_SPOOL!)) > 0 || Promise.race([answered, Promise.resolve(false)]),
  );
  isOver.resolve();
  expect(await asking).toMatchObject({ code: 1, stderr: expect.stringContaining('other contents') });
  const stored = await unpackLz4(await minio!.read(`pressure${prefixes}/wal_005/${name}.lz4`));
  expect(stored.equals(bytes)).toBe(true);
});

describe('SIGTERM', () => {
  it('lets uploads under way end, and answers who waits for them', async () => {
    const daemon = await startDaemon(env);
    const isOver = Promise.withResolvers<void>();
    const release = proxy.add({ method: 'PUT', fault: { kind: 'hold', until: isOver.promise } });
    const { name } = await cluster.add({ number: 1 });
    await waitFor(() => proxy.requests.some(({ method }) => method === 'PUT'));
    const asking = runPgarc(['wal-push', `pg_wal/${name}`], {
      cwd: cluster.data,
      env: { ...env, ...NO_NODE },
    });
    await waitFor(async () => (await countConnections(env.PGARC_SPOOL!)) > 0);
    const stopping = daemon.stop();
    await waitFor(() => daemon.stderr().includes('daemonStopping'));
    isOver.resolve();
    expect(await stopping).toMatchObject({ code: 0 });
    expect(await asking).toMatchObject({ code: 0 });
    release();
    expect(await minio!.keys(`pressure${prefixes}/wal_005/`)).toHaveLength(1);
  });

  it('gives up after a while, and leaves no half upload', async () => {
    const daemon = await startDaemon(env);
    const { name, bytes, path } = await cluster.add({ number: 2, size: 128 * MIB, ready: false });
    // So that it has several parts when compressed.
    await writeFile(path, randomFillSync(bytes, 8192));
    proxy.add({ method: 'PUT', path: /partNumber=2/, fault: { kind: 'stall' } });
    const asking = runPgarc(['wal-push', `pg_wal/${name}`], {
      cwd: cluster.data,
      env: { ...env, ...NO_NODE },
    });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'stall'));
    const stopped = await daemon.stop();
    expect(stopped).toMatchObject({ code: 0 });
    // Not served any more: Node was to do the work itself.
    expect(await asking).toMatchObject({ code: 1 });
    const list = new ListMultipartUploadsCommand({
      Bucket: minio!.bucket,
      Prefix: `pressure${prefixes}/wal_005/${name}.lz4`,
    });
    expect((await minio!.client.send(list)).Uploads ?? []).toEqual([]);
    expect(await minio!.keys(`pressure${prefixes}/wal_005/`)).toEqual([]);
  });

  it('a second time ends it at once', async () => {
    const daemon = await startDaemon(env);
    await cluster.add({ number: 1 });
    proxy.add({ method: 'PUT', fault: { kind: 'stall' } });
    await waitFor(() => proxy.requests.some(({ fault }) => fault === 'stall'));
    daemon.running.child.kill('SIGTERM');
    await waitFor(() => daemon.stderr().includes('daemonStopping'));
    const begin = performance.now();
    expect(await daemon.stop()).toMatchObject({ code: 75 });
    // Not at the end of its patience, ten seconds.
    expect(performance.now() - begin).toBeLessThan(9000);
    // What it left does not keep the next one from starting.
    await startDaemon(env);
  });
});
