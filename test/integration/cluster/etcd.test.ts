import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Etcd } from '../../../src/cluster/etcd.ts';
import { startEtcd, type TestEtcd } from '../../support/etcd.ts';
import { openTestClient } from '../../support/etcd-client.ts';

let server: TestEtcd;
let etcd: Etcd;
const signal = new AbortController().signal;

beforeAll(async () => {
  server = await startEtcd();
  ({ etcd } = await openTestClient(server.env('round')));
});
afterEach(() => server.ctl('del', '/service/', '--prefix'));

describe('a key', () => {
  it('is written, read, listed and removed', async () => {
    await etcd.put('/service/round/a', 'eins\r\nzwei\tä', {}, signal);
    await etcd.put('/service/round/b', '', {}, signal);
    await etcd.put('/service/rounds', 'another', {}, signal);
    expect(await server.get('/service/round/a')).toBe('eins\r\nzwei\tä');
    expect(await etcd.get('/service/round/a', signal)).toMatchObject({ value: 'eins\r\nzwei\tä' });
    expect(await etcd.get('/service/round/b', signal)).toMatchObject({ value: '' });
    expect(await etcd.get('/service/round/c', signal)).toBeUndefined();
    expect((await etcd.list('/service/round/', signal)).map(({ key }) => key)).toEqual([
      '/service/round/a',
      '/service/round/b',
    ]);
    expect(await etcd.remove('/service/round/a', signal)).toBe(true);
    expect(await etcd.remove('/service/round/a', signal)).toBe(false);
  });

  it('is created once', async () => {
    expect(await etcd.create('/service/x', '1', {}, signal)).toBe(true);
    expect(await etcd.create('/service/x', '2', {}, signal)).toBe(false);
    expect(await server.get('/service/x')).toBe('1');
  });

  it('is replaced only when nobody changed it since', async () => {
    await etcd.put('/service/x', '1', {}, signal);
    const { modRevision } = (await etcd.get('/service/x', signal))!;
    expect(await etcd.replace('/service/x', '2', modRevision, {}, signal)).toBe(true);
    expect(await etcd.replace('/service/x', '3', modRevision, {}, signal)).toBe(false);
    expect(await etcd.remove('/service/x', signal, modRevision)).toBe(false);
    expect(await server.get('/service/x')).toBe('2');
    const now = (await etcd.get('/service/x', signal))!;
    expect(await etcd.remove('/service/x', signal, now.modRevision)).toBe(true);
  });
});

describe('a lease', () => {
  it('takes its keys with it', async () => {
    const lease = await etcd.grantLease(10_000, signal);
    await etcd.put('/service/x', '1', { lease }, signal);
    expect((await etcd.get('/service/x', signal))?.lease).toBe(lease);
    expect(await etcd.keepAlive(lease, signal)).toMatch(/^\d+$/);
    await etcd.revoke(lease, signal);
    expect(await etcd.get('/service/x', signal)).toBeUndefined();
    expect(await etcd.keepAlive(lease, signal)).toBeUndefined();
    await etcd.revoke(lease, signal);
    await expect(etcd.put('/service/x', '1', { lease }, signal)).rejects.toMatchObject({
      code: 'failed',
      retryable: true,
    });
  });
});
