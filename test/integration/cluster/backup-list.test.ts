import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock } from '../../../src/cluster/lock.ts';
import { startDaemon } from '../../support/daemon.ts';
import { startEtcd, type TestEtcd } from '../../support/etcd.ts';
import { openTestClient } from '../../support/etcd-client.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { startMinio } from '../../support/minio.ts';
import { mustRunPgarc, runPgarc } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';
import { copySample, SAMPLE, SAMPLE_DELTA, SAMPLE_FULL } from '../sample.ts';

let server: TestEtcd;
let scope: string;
let env: Record<string, string>;
let count = 0;
const signal = new AbortController().signal;
const key = (name: string) => `/service/${scope}/${name}`;
const listed = (stdout: string) => (JSON.parse(stdout) as { backups: { name: string }[] }).backups;

beforeAll(async () => {
  server = await startEtcd();
});
beforeEach(async () => {
  scope = `list-${count++}`;
  env = {
    ...server.env(scope),
    PGARC_STORE: `file://${await copySample()}`,
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGARC_ETCD_LEASE: '6s',
  };
});

describe('the lists in etcd', () => {
  it('are written by the commands that change backups, in WAL-E’s text and as JSON', async () => {
    expect(await runPgarc(['backup-list', '--cached'], { env })).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/etcd holds no list of backups[\s\S]*hint: /),
    });
    await mustRunPgarc(['backup-mark', SAMPLE_FULL], { env });
    const table = (await mustRunPgarc(['backup-list', '--wal-e'], { env })).stdout;
    expect(table).toMatch(/^name\tlast_modified\t.*\r\n(.*\t.*\r\n){2}$/);
    expect(await server.get(key('wale-backup-list'))).toBe(table);
    const stored = JSON.parse((await server.get(key('pgarc/backups')))!);
    expect(stored).toMatchObject({
      readAt: expect.stringMatching(/^20.*Z$/),
      backups: [{ name: SAMPLE_FULL, permanent: true }, { name: SAMPLE_DELTA }],
    });

    const fresh = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    const cached = await mustRunPgarc(['backup-list', '--cached', '--json'], { env });
    expect(fresh).toMatchObject({ source: 'store' });
    expect(JSON.parse(cached.stdout)).toEqual({ ...fresh, source: 'etcd', readAt: stored.readAt });
    expect(cached.stderr).toMatch(/this list is from etcd, read from the store .* ago/);

    await mustRunPgarc(['delete', SAMPLE_DELTA, '--confirm'], { env });
    const after = await mustRunPgarc(['backup-list', '--cached', '--json'], { env });
    expect(listed(after.stdout).map(({ name }) => name)).toEqual([SAMPLE_FULL]);
    expect(await server.get(key('wale-backup-list'))).toBe(
      (await mustRunPgarc(['backup-list', '--wal-e'], { env })).stdout,
    );
  });

  it('that somebody overwrote are ignored, and rewritten with a word', async () => {
    for (const rubbish of ['', 'rubbish', '{"backups":[{}],"readAt":"2026-01-01T00:00:00Z"}', '[]']) {
      await server.put(key('pgarc/backups'), rubbish);
      await server.put(key('wale-backup-list'), rubbish);
      expect((await runPgarc(['backup-list', '--cached'], { env })).code).toBe(7);
      const marked = await mustRunPgarc(['backup-mark', 'LATEST'], { env });
      for (const name of ['pgarc/backups', 'wale-backup-list']) {
        expect(marked.stderr.split(`${key(name)} in etcd holds something`)).toHaveLength(2);
      }
      const again = await mustRunPgarc(['backup-mark', 'LATEST'], { env });
      expect(again.stderr).not.toContain('in etcd holds something');
      expect((await runPgarc(['backup-list', '--cached'], { env })).code).toBe(0);
    }
  });

  it('are kept by the daemon, without a write when nothing changed', async () => {
    const daemon = await startDaemon(
      { ...env, PGDATA: join(await makeTemporaryFolder('none'), 'data') },
      { wait: false },
    );
    const stored = await waitFor(() => server.get(key('pgarc/backups')));
    await waitFor(() => server.get(key('wale-backup-list')));
    const other = await startDaemon(
      {
        ...env,
        PGARC_SPOOL: await makeTemporaryFolder('spool'),
        PGARC_NODE_NAME: 'other',
        PGDATA: join(await makeTemporaryFolder('none'), 'data'),
      },
      { wait: false },
    );
    await waitFor(() => other.stderr().includes('daemonWaiting'));
    expect((await other.stop()).code).toBe(0);
    expect(await server.get(key('pgarc/backups'))).toBe(stored);

    await server.wipe();
    await waitFor(() => server.get(key('pgarc/backups')), { timeout: 90_000 });
    expect((await daemon.stop()).code).toBe(0);
    const lines = daemon.stderr().split('\n');
    expect(lines.filter((line) => line.includes('etcdDown')).length).toBeLessThan(2);
  });
});

describe('a store that does not answer', () => {
  it('leaves the list to etcd, with its age', async () => {
    const minio = await startMinio();
    for (const file of await readdir(SAMPLE, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      await minio.write(`sample/${relative(SAMPLE, path)}`, await readFile(path));
    }
    const proxy = await startFaultProxy(minio.endpoint);
    const s3 = { ...env, ...minio.env('sample', proxy.endpoint) };
    await mustRunPgarc(['backup-mark', SAMPLE_FULL], { env: s3 });
    const fresh = await mustRunPgarc(['backup-list'], { env: s3 });
    expect(fresh.stderr).not.toContain('etcd');

    proxy.add({ fault: { kind: 'stall' } });
    const stalled = await mustRunPgarc(['backup-list', '--json'], { env: s3 });
    expect(listed(stalled.stdout)).toHaveLength(2);
    expect(JSON.parse(stalled.stdout)).toMatchObject({ source: 'etcd', readAt: expect.any(String) });
    expect(stalled.stderr).toMatch(
      /warning .*the store has not answered for 3 s; this list is from etcd, read from the store .* ago/,
    );
    const table = await mustRunPgarc(['backup-list', '--wal-e'], { env: s3 });
    expect(table.stdout).toBe(await server.get(key('wale-backup-list')));

    await proxy.close();
    const refused = await mustRunPgarc(['backup-list'], { env: s3 });
    expect(refused.stdout).toContain(SAMPLE_DELTA);

    // Neither of them answers: the store's error is what counts.
    const neither = { ...s3, PGARC_ETCD_ENDPOINTS: '127.0.0.1:1', PGARC_STORE_TIMEOUT: '4s' };
    const failed = await runPgarc(['backup-list'], { env: neither });
    expect(failed).toMatchObject({ code: 7, stdout: '' });
    expect(failed.stderr).toContain('etcd is not reachable: http://127.0.0.1:1: connection refused');
  });
});

describe('the lock', () => {
  it('of another process refuses deletions, and names it', async () => {
    const client = await openTestClient(env);
    const lock = await acquireLock({ ...client, node: 'db7' }, 'retain', { ttl: 10_000 }, signal);
    for (const command of [
      ['delete', SAMPLE_DELTA, '--confirm'],
      ['delete', SAMPLE_DELTA, '--confirm', '--without-lock'],
      ['retain', '--keep-full', '1', '--confirm'],
      ['backup-mark', SAMPLE_DELTA],
    ]) {
      const result = await runPgarc(command, { env });
      expect(result).toMatchObject({
        code: 6,
        stderr: expect.stringContaining(`db7 (pid ${process.pid}) has held the lock retain since 20`),
      });
    }
    // Looking needs none.
    await mustRunPgarc(['delete', SAMPLE_DELTA], { env });
    await lock.release();
    await mustRunPgarc(['delete', SAMPLE_DELTA, '--confirm'], { env });
    expect(await server.get(key('pgarc/lock/retain'))).toBeUndefined();
  });

  it('cannot be had without etcd: nothing is deleted, unless it is said to be right', async () => {
    const down = { ...env, PGARC_ETCD_ENDPOINTS: '127.0.0.1:1,127.0.0.1:2' };
    for (const command of [
      ['delete', SAMPLE_DELTA, '--confirm'],
      ['retain', '--keep-full', '1', '--confirm'],
    ]) {
      const refused = await runPgarc(command, { env: down });
      expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining('--without-lock') });
    }
    expect(listed((await mustRunPgarc(['backup-list', '--json'], { env })).stdout)).toHaveLength(2);
    const deleted = await mustRunPgarc(['delete', SAMPLE_DELTA, '--confirm', '--without-lock'], {
      env: down,
    });
    expect(deleted.stderr).toContain('going on without the lock retain');
    expect(deleted.stderr).toContain('the list of backups in etcd is not refreshed');
    expect(listed((await mustRunPgarc(['backup-list', '--json'], { env })).stdout)).toHaveLength(1);
  });
});
