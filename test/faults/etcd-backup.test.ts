import { beforeAll, describe, expect, it } from 'vitest';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const LOCK = '/service/pushed/pgarc/lock/backup';
let etcd: TestEtcd;
/** Between pgarc and etcd. */
let wire: FaultProxy;
/** Between pgarc and MinIO. */
let proxy: FaultProxy;
let minio: TestMinio;
let server: TestPostgres;
let env: Record<string, string>;

beforeAll(async () => {
  [etcd, minio] = await Promise.all([startEtcd(), startMinio()]);
  [wire, proxy] = await Promise.all([
    startFaultProxy(etcd.members[0]!.endpoint),
    startFaultProxy(minio.endpoint),
  ]);
  const spool = { PGARC_SPOOL: await makeTemporaryFolder('spool') };
  server = await startPostgres({ archive: true, env: { ...minio.env('pushed'), ...spool } });
  env = {
    ...minio.env('pushed', proxy.endpoint),
    ...server.env,
    ...spool,
    ...etcd.env('pushed'),
    PGARC_ETCD_ENDPOINTS: wire.endpoint,
    PGARC_ETCD_LEASE: '12s',
    PGARC_NODE_NAME: 'db7',
  };
});

/** A backup that has come to its first part, whose answer does not come. */
async function startHeldPush() {
  proxy.reset();
  proxy.add({ method: 'PUT', path: /part_001/, fault: { kind: 'stall' } });
  const running = startPgarc(['backup-push', server.dataDir], { env });
  await waitFor(() => proxy.requests.some(({ fault }) => fault === 'stall'), { what: 'the first part' });
  return running;
}

/** Neither objects of the backup nor its session are left. */
async function expectNothingLeft(): Promise<void> {
  proxy.reset();
  expect(await minio.keys('pushed/basebackups_005/')).toEqual([]);
  expect(await minio.keys('pushed/pgarc/running/')).toEqual([]);
  const sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgarc'";
  await waitFor(async () => (await server.value(sessions)) === '0', { what: 'the end of the session' });
}

describe('backup-push by hand', () => {
  it('is one at a time in a scope', async () => {
    const first = await startHeldPush();
    const second = await runPgarc(['backup-push', server.dataDir], { env });
    expect(second).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringContaining(`db7 (pid ${first.child.pid}) has held the lock backup since 20`),
    });
    first.child.kill('SIGTERM');
    expect((await first.result).code).toBe(75);
    expect(await etcd.get(LOCK)).toBeUndefined();
    await expectNothingLeft();
  });

  it('ends and cleans up when its lock is taken away', async () => {
    const running = await startHeldPush();
    await etcd.ctl('del', LOCK);
    const { code, stderr } = await running.result;
    expect(code).toBe(1);
    expect(stderr).toContain(`the lock backup is lost: the lease in etcd is lost: its key ${LOCK} is gone`);
    await expectNothingLeft();
  });

  it('ends and cleans up before its lease does when etcd is away', async () => {
    const running = await startHeldPush();
    await wire.close();
    const { code, stderr } = await running.result;
    expect(code).toBe(7);
    expect(stderr).toContain('the lock backup is lost');
    await expectNothingLeft();
    await wire.open();
    await waitFor(async () => (await etcd.get(LOCK)) === undefined);
  });

  it('goes on without etcd, with a warning, and refreshes the lists with it', async () => {
    await wire.close();
    const without = await mustRunPgarc(['backup-push', server.dataDir], { env });
    expect(without.stderr).toContain('going on without the lock backup');
    expect(without.stderr).toContain('the list of backups in etcd is not refreshed');
    await wire.open();
    await mustRunPgarc(['backup-push', server.dataDir], { env });
    const cached = await mustRunPgarc(['backup-list', '--json', '--cached'], { env });
    expect(JSON.parse(cached.stdout).backups).toHaveLength(2);
  });
});
