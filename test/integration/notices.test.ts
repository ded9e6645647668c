import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createEventBus } from '../../src/daemon/bus.ts';
import { createNoticeService, type NoticeOptions } from '../../src/daemon/notice-service.ts';
import type { DaemonParts } from '../../src/daemon/services.ts';
import type { JobRun, PgarcEvent } from '../../src/report/events.ts';
import type { Notice } from '../../src/report/notices/notice.ts';
import { atEnd } from '../support/cleanup.ts';
import { startDaemon } from '../support/daemon.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { ROOT } from '../support/pgarc.ts';
import { mustRun } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';
import { copySample } from './sample.ts';

interface Heard {
  method: string;
  path: string;
  notice: Notice | undefined;
}

const SECRET = 'not-for-logs-7Q2Z';
const RUN: JobRun = { job: 'backup', node: 'db1', scheduledFor: '2026-11-21T02:00:00.000Z', attempt: 1 };
const STARTED: PgarcEvent = { type: 'jobStarted', ...RUN };
const DONE: PgarcEvent = { type: 'jobFinished', ...RUN, durationMs: 5000, outcome: 'ok' };
const failed = (message: string): PgarcEvent => ({
  type: 'jobFailed',
  ...RUN,
  durationMs: 5000,
  outcome: 'failed',
  code: 'failed',
  message,
});

/** Whom notices are for; its answers are what the proxy makes of them. */
const heard: Heard[] = [];
let proxy: FaultProxy;
const services: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    heard.push({
      method: request.method ?? '',
      path: request.url ?? '',
      notice: body === '' ? undefined : (JSON.parse(body) as Notice),
    });
    response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  proxy = await startFaultProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

beforeEach(() => {
  heard.length = 0;
  proxy.reset();
});

afterEach(async () => {
  for (const stop of services.splice(0)) await stop.stop();
});

/** The daemon's part, alone on a bus. */
async function start(settings: Record<string, unknown>, spool: string, more: NoticeOptions = {}) {
  const bus = createEventBus();
  const end = new AbortController();
  const warnings: string[] = [];
  bus.listen((event) => event.type === 'warning' && warnings.push(event.message));
  const parts = {
    settings: { nodeName: 'db1', scope: 'main', ...settings },
    spool: { folder: spool },
    bus,
    deadline: end.signal,
  } as unknown as DaemonParts;
  const service = await createNoticeService(parts, { pauses: [20, 20], stopLimit: 200, ...more });
  const stop = async () => {
    end.abort();
    await service.stop();
  };
  services.push({ stop });
  return { emit: bus.emit, warnings, service, stop };
}

const webhook = () => ({ webhookUrl: `${proxy.endpoint}/hook/${SECRET}?token=${SECRET}` });
const told = () => heard.map(({ notice }) => notice?.state).filter((state) => state !== undefined);

it('tells failures, their change and their end, in order and once, over a restart', async () => {
  const spool = await makeTemporaryFolder('spool');
  const first = await start(webhook(), spool);
  for (const event of [STARTED, failed('disk full'), STARTED, failed('disk full')]) first.emit(event);
  first.emit(failed('no such file'));
  await waitFor(() => heard.length === 2);
  expect(heard[0]).toMatchObject({
    method: 'POST',
    path: `/hook/${SECRET}?token=${SECRET}`,
    notice: {
      what: 'jobFailed',
      job: 'backup',
      node: 'db1',
      scope: 'main',
      cluster: null,
      message: 'the backup of 2026-11-21T02:00:00.000Z failed after 5.0 s: disk full',
      run: { state: 'failed', attempt: 1, durationMs: 5000 },
    },
  });
  await first.stop();
  const second = await start(webhook(), spool);
  second.emit(failed('no such file'));
  second.emit(DONE);
  second.emit(DONE);
  await waitFor(() => heard.length === 3);
  await second.stop();
  expect(told()).toEqual(['failed', 'failed', 'well']);
  expect(heard[2]?.notice?.since).toBe(heard[0]?.notice?.since);
  expect(JSON.parse(await readFile(join(spool, 'notices.json'), 'utf8'))).toEqual({});
});

it.each<[string, Parameters<FaultProxy['add']>[0]['fault']]>([
  ['answers 500', { kind: 'respond', status: 500 }],
  ['answers 429', { kind: 'respond', status: 429 }],
  ['resets the connection', { kind: 'reset-request' }],
  ['says nothing', { kind: 'stall' }],
])('tries again when the webhook %s', async (_, fault) => {
  const { emit, warnings } = await start(webhook(), await makeTemporaryFolder('spool'), { deadline: 1000 });
  proxy.add({ times: 2, fault });
  emit(failed('disk full'));
  emit(DONE);
  // A stalled request arrives at the server all the same.
  await waitFor(() => told().at(-1) === 'well');
  expect(proxy.requests.map((request) => request.fault)).toEqual([fault.kind, fault.kind, 'pass', 'pass']);
  expect(warnings).toEqual([]);
});

it('gives up after a few attempts, says so once without the address, and tells the next time', async () => {
  const { emit, warnings } = await start(webhook(), await makeTemporaryFolder('spool'));
  const remove = proxy.add({ fault: { kind: 'respond', status: 503 } });
  emit(failed('disk full'));
  await waitFor(() => warnings.length === 1);
  expect(proxy.requests).toHaveLength(3);
  emit(failed('disk full'));
  await waitFor(() => proxy.requests.length === 6);
  remove();
  const host = new URL(proxy.endpoint).host;
  expect(warnings).toEqual([`the webhook was not told: ${host}: it answered 503`]);
  await waitFor(() => {
    emit(failed('disk full'));
    return told().length > 0;
  });
  expect(told()).toEqual(['failed']);
});

it('does not repeat what will be refused again, nor follow elsewhere', async () => {
  const { emit, warnings } = await start(webhook(), await makeTemporaryFolder('spool'));
  proxy.add({ times: 1, fault: { kind: 'respond', status: 404 } });
  proxy.add({ fault: { kind: 'respond', status: 302 } });
  emit(failed('disk full'));
  await waitFor(() => warnings.length === 1);
  emit(failed('no such file'));
  await waitFor(() => proxy.requests.length === 2);
  expect(told()).toEqual([]);
  expect(warnings.join()).not.toContain(SECRET);
});

it('asks the ping address at each step, with its query in place, and beside a webhook that hangs', async () => {
  const settings = { ...webhook(), scheduleBackupPingUrl: `${proxy.endpoint}/ping/${SECRET}/?create=1` };
  const { emit } = await start(settings, await makeTemporaryFolder('spool'));
  proxy.add({ path: /hook/, fault: { kind: 'stall' } });
  for (const event of [STARTED, failed('disk full'), STARTED, DONE]) emit(event);
  // Another job has no address.
  emit({ ...STARTED, job: 'retain' });
  const pings = () => heard.filter(({ path }) => path.startsWith('/ping'));
  await waitFor(() => pings().length === 4);
  expect(pings()).toEqual(
    ['/start', '/fail', '/start', '/'].map((word) => ({
      method: 'GET',
      path: `/ping/${SECRET}${word}?create=1`,
      notice: undefined,
    })),
  );
});

it('does not hold up the end of the daemon, and brings what was emitted while it ended', async () => {
  const { emit, stop, service, warnings } = await start(webhook(), await makeTemporaryFolder('spool'));
  // The first of two: other parts stop at the same time.
  const stopping = service.stop();
  emit(failed('the daemon stops'));
  await stopping;
  await waitFor(() => told().length === 1);
  proxy.add({ fault: { kind: 'stall' } });
  emit(failed('something else'));
  await waitFor(() => proxy.requests.length === 2);
  await stop();
  emit(failed('nobody listens'));
  expect(proxy.requests).toHaveLength(2);
  expect(warnings).toEqual([]);
});

it('tells that WAL is stuck, and that it is archived again', async () => {
  const { emit } = await start(webhook(), await makeTemporaryFolder('spool'), { patience: 50 });
  emit({ type: 'walBacklog', files: 2 });
  emit({
    type: 'walPushFailed',
    name: '000000010000000000000003',
    ahead: true,
    code: 'store-unreachable',
    message: 'connection refused',
  });
  await waitFor(() => told().length === 1);
  emit({ type: 'walAlreadyStored', name: '000000010000000000000003' });
  await waitFor(() => told().length === 2);
  expect(heard.map(({ notice }) => [notice?.what, notice?.job])).toEqual([
    ['archiveStuck', null],
    ['recovered', null],
  ]);
});

it('goes to the address itself, whatever proxy the environment names', async () => {
  const module = JSON.stringify(`${ROOT}/src/report/notices/request.ts`);
  const url = JSON.stringify(`${proxy.endpoint}/direct`);
  const code = `import { sendRequest } from ${module};
    await sendRequest({ url: new URL(${url}) }, 30_000, new AbortController().signal);`;
  await mustRun(process.execPath, ['--input-type=module', '-e', code], {
    env: { http_proxy: 'http://127.0.0.1:9', NODE_USE_ENV_PROXY: '1' },
  });
  expect(heard.map(({ path }) => path)).toEqual(['/direct']);
});

it('is told by a real daemon how its jobs go, over its restart', async () => {
  const store = await copySample();
  const spool = await makeTemporaryFolder('spool');
  const cluster = await makeFakeCluster();
  const env = {
    PGARC_STORE: `file://${store}`,
    PGARC_SPOOL: spool,
    PGDATA: cluster.data,
    PGARC_NODE_NAME: 'db1',
    PGARC_WEBHOOK_URL: webhook().webhookUrl,
    PGARC_KEEP_FULL: '5',
    PGARC_SCHEDULE_RETAIN_CRON: '0 0 1 1 *',
    PGARC_SCHEDULE_RETAIN_CATCH_UP: 'true',
    PGARC_SCHEDULE_RETAIN_PING_URL: `${proxy.endpoint}/ping/${SECRET}`,
  };
  // A run of years ago: the one of this year is made up for at once.
  const lastRun = {
    job: 'retain',
    node: 'db1',
    attempt: 1,
    state: 'ok',
    startedAt: '2020-01-01T00:00:00.000Z',
  };
  const forget = async () => {
    const folder = await makeOwnedDirectory(join(spool, 'schedule'));
    const path = join(folder, 'retain.json');
    await writeFile(path, JSON.stringify({ ...lastRun, scheduledFor: lastRun.startedAt }));
    giveAway(path);
  };
  const paths = () => heard.map(({ path }) => path.replace(`/${SECRET}`, '').replace(/\?.*/, ''));
  const damaged = join(store, 'wal_005/00000002.history.lz4');
  await writeFile(damaged, 'not lz4');
  await forget();
  const first = await startDaemon(env);
  await waitFor(() => heard.length === 3);
  expect((await first.stop()).code).toBe(0);
  expect(paths().sort()).toEqual(['/hook', '/ping/fail', '/ping/start']);
  expect(heard.find(({ notice }) => notice)?.notice).toMatchObject({
    what: 'jobFailed',
    job: 'retain',
    cluster: cluster.systemIdentifier.toString(),
    run: { state: 'failed', node: 'db1' },
  });
  heard.length = 0;
  await rm(damaged);
  await forget();
  const second = await startDaemon(env);
  await waitFor(() => heard.length === 3);
  expect((await second.stop()).code).toBe(0);
  expect(paths().sort()).toEqual(['/hook', '/ping', '/ping/start']);
  expect(told()).toEqual(['well']);
  expect(first.stderr() + second.stderr()).not.toContain(SECRET);
});
