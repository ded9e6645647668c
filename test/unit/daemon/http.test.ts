import { request } from 'node:http';
import { expect, it } from 'vitest';
import { startHttp } from '../../../src/daemon/http.ts';
import { createMetrics } from '../../../src/daemon/metrics.ts';
import { Readiness } from '../../../src/daemon/readiness.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { atEnd } from '../../support/cleanup.ts';

const RETRY: PgarcEvent = {
  type: 'storeRetry',
  operation: 'PutObject',
  attempt: 1,
  delayMs: 1,
  reason: 'connection refused',
};
const PUSHED: PgarcEvent = { type: 'walPushed', name: 'x', bytes: 1, storedBytes: 1, durationMs: 30 };

async function start(listen = '127.0.0.1:0') {
  let time = 0;
  const readiness = new Readiness(() => time);
  const metrics = createMetrics(() => 1_800_000_000_000);
  const server = await startHttp({ listen, checks: () => readiness.checks(), metrics });
  atEnd(() => server.close());
  return {
    url: server.url,
    readiness,
    hear(event: PgarcEvent) {
      readiness.hear(event);
      metrics.hear(event);
    },
    pass(ms: number) {
      time += ms;
    },
    async get(path: string) {
      const answer = await fetch(server.url + path);
      return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
    },
  };
}

/** Samples without comments, of pgarc's own metrics. */
function samples(body: string): string[] {
  return body.split('\n').filter((line) => line.startsWith('pgarc_'));
}

it('is alive whatever is the matter', async () => {
  const { get, hear } = await start();
  hear(RETRY);
  expect(await get('/livez')).toEqual({ status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' });
});

it('is ready with a cluster and a store that does not fail', async () => {
  const { get, hear, readiness, pass } = await start();
  expect(await get('/readyz')).toMatchObject({ status: 503, body: 'not ready\n' });
  readiness.noteCluster('/data');
  expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ready\n' });
  expect((await get('/readyz?verbose')).body).toBe(
    '[+] daemon: running\n[+] cluster: /data\n[+] store: no failure since its last answer\nready\n',
  );
  hear(RETRY);
  pass(15_000);
  hear(RETRY);
  expect(await get('/readyz?verbose')).toMatchObject({
    status: 503,
    body: '[+] daemon: running\n[+] cluster: /data\n[-] store: failing for 15 s: connection refused\nnot ready\n',
  });
  hear(PUSHED);
  expect((await get('/readyz')).status).toBe(200);
  hear(RETRY);
  // Nobody has asked since.
  pass(130_000);
  expect((await get('/readyz')).status).toBe(200);
  readiness.noteStop();
  expect(await get('/readyz?verbose')).toMatchObject({
    status: 503,
    body: expect.stringContaining('[-] daemon: stopping'),
  });
});

it('has no series for what is not known yet', async () => {
  const { get, hear } = await start();
  const before = await get('/metrics');
  expect(before.type).toMatch(/^text\/plain; version=0.0.4/);
  expect(before.body).not.toMatch(/timestamp_seconds [^\n]|pgarc_\w+timestamp|pgarc_wal_ready_files/);
  expect(before.body).toMatch(/^process_cpu_seconds_total /m);
  expect(before.body).toMatch(/^process_start_time_seconds [1-9]/m);
  hear({ type: 'walBacklog', files: 0 });
  hear(PUSHED);
  const { body } = await get('/metrics');
  expect(samples(body)).toEqual(
    expect.arrayContaining([
      'pgarc_wal_ready_files 0',
      'pgarc_wal_last_archived_timestamp_seconds 1800000000',
      'pgarc_wal_archived_total{outcome="stored"} 1',
      'pgarc_wal_push_duration_seconds_sum 0.03',
      'pgarc_wal_push_duration_seconds_count 1',
    ]),
  );
  expect(body).not.toMatch(/last_push_failure|store_last_answer/);
});

it('counts what the daemon tells', async () => {
  const { get, hear } = await start();
  hear({ type: 'walAlreadyStored', name: 'x' });
  hear({ type: 'walPushFailed', name: 'x', ahead: true, code: 'store-unreachable', message: 'm' });
  hear({ type: 'walTaken', name: 'x', ahead: true });
  hear({ type: 'walTaken', name: 'y', ahead: true });
  hear({ type: 'walTaken', name: 'z', ahead: false });
  hear({ type: 'walFetched', name: 'z', bytes: 1, durationMs: 2000 });
  hear({ type: 'walFetchFailed', name: 'z', code: 'object-damaged', message: 'm' });
  hear(RETRY);
  hear({ type: 'storeRequest', method: 'PUT', status: 200, sentBytes: 100, receivedBytes: 5 });
  hear({ type: 'storeRequest', method: 'PUT', status: undefined, sentBytes: 7, receivedBytes: 0 });
  expect(samples((await get('/metrics')).body)).toEqual(
    expect.arrayContaining([
      'pgarc_wal_archived_total{outcome="already-stored"} 1',
      'pgarc_wal_push_failures_total{reason="store-unreachable"} 1',
      'pgarc_wal_last_push_failure_timestamp_seconds 1800000000',
      'pgarc_wal_prefetch_hits_total 2',
      'pgarc_wal_prefetch_misses_total 1',
      'pgarc_wal_fetch_duration_seconds_sum 2',
      'pgarc_wal_fetch_failures_total{reason="object-damaged"} 1',
      'pgarc_store_requests_total{method="PUT",status="200"} 1',
      'pgarc_store_requests_total{method="PUT",status="none"} 1',
      'pgarc_store_retries_total 1',
      'pgarc_store_bytes_total{direction="sent"} 107',
      'pgarc_store_bytes_total{direction="received"} 5',
      'pgarc_store_last_answer_timestamp_seconds 1800000000',
    ]),
  );
});

it('answers nothing but GET and HEAD of its three pages', async () => {
  const { url } = await start('[::1]:0').catch(() => start());
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/livez`, { method: 'POST', body: 'x' })).status).toBe(405);
  const head = await fetch(`${url}/livez`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '3', '']);
  // A target that is no path.
  const status = await new Promise((resolve, reject) => {
    request(`${url}`, { path: '//' }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(500);
});

it('tells every metric in docs/daemon.md', async () => {
  const { readFile } = await import('node:fs/promises');
  const page = await readFile(new URL('../../../docs/daemon.md', import.meta.url), 'utf8');
  const source = await readFile(new URL('../../../src/daemon/metrics.ts', import.meta.url), 'utf8');
  for (const [, name] of source.matchAll(/'(pgarc_\w+)'/g)) expect(page).toContain(`\`${name}`);
});
