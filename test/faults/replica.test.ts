import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MARK } from '../../src/backup/fetch/mark.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { type Fault, type FaultProxy, type FaultRule, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { mustRunPgarc, startPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { connstringOf, patroniArguments, REPLICATOR, runReplicaBootstrap } from '../support/replica.ts';
import { verifyRestored } from '../support/restore.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const PARTS = /tar_partitions\/part_/;

let proxy: FaultProxy;
let primary: TestPostgres;
let env: Record<string, string>;
/** The store without the proxy. */
let direct: Record<string, string>;

beforeAll(async () => {
  const minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
  const PGARC_SPOOL = await makeTemporaryFolder('spool');
  direct = { ...minio.env('main'), PGARC_SPOOL };
  env = {
    ...minio.env('main', proxy.endpoint),
    PGARC_SPOOL,
    PGARC_REQUEST_TIMEOUT: '2s',
    PGARC_STORE_TIMEOUT: '4s',
    PGARC_THRESHOLD_PERCENTAGE: '1000',
  };
  primary = await startPostgres({ archive: true, env: direct });
  await primary.query(`CREATE ROLE ${REPLICATOR} LOGIN REPLICATION`);
  const place = await makeOwnedDirectory(join(await makeTemporaryFolder('ts'), 'fast'));
  await primary.query(`CREATE TABLESPACE fast LOCATION '${place}'`);
  await primary.query(
    'CREATE TABLE t TABLESPACE fast AS SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 5000) i',
  );
  await fillPgbench(primary, 2);
  await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...direct, ...primary.env } });
});
beforeEach(() => proxy.reset());

interface Place {
  datadir: string;
  /** Where the tablespace goes. */
  root: string;
  args: string[];
}

async function makePlace(): Promise<Place> {
  const folder = await makeTemporaryFolder('replica');
  const [datadir, root] = [join(folder, 'data'), join(folder, 'ts')];
  const own = patroniArguments({}, { datadir, connstring: connstringOf(primary) });
  return { datadir, root, args: ['replica-bootstrap', ...own, `--tablespace-root=${root}`] };
}

/** Names of everything below both directories, except what was there before a restore: nothing. */
async function contentsOf({ datadir, root }: Place): Promise<string[]> {
  const all = await Promise.all(
    [datadir, root].map((path) => readdir(path, { recursive: true }).catch(() => [])),
  );
  return all.flat();
}

async function expectWhole(place: Place): Promise<void> {
  expect((await contentsOf(place)).filter((name) => name.endsWith(MARK))).toEqual([]);
  await verifyRestored(place.datadir);
}

/** Starts a bootstrap that hangs at a request, waits until it does, and ends it. */
async function endAt(place: Place, path: RegExp, fault: Fault, signal: NodeJS.Signals) {
  proxy.reset();
  proxy.add({ path, fault });
  const running = startPgarc(place.args, { env: { ...env, PGARC_REQUEST_TIMEOUT: '60s' } });
  await waitFor(
    () => proxy.requests.some((request) => path.test(request.path)) || running.child.exitCode !== null,
    { what: 'the request at which it hangs' },
  );
  if (fault.kind === 'stall' && (fault.afterBytes ?? 0) > 0) {
    await waitFor(
      () => existsSync(join(place.datadir, 'PG_VERSION')) || existsSync(join(place.datadir, 'base')),
      {
        what: `the first files; it says: ${running.stderr()}`,
      },
    );
  }
  running.child.kill(signal);
  const result = await running.result;
  proxy.reset();
  return result;
}

describe('a bootstrap that is killed with SIGKILL', () => {
  it.each<[string, RegExp, Fault]>([
    ['while the backups are listed', /list-type=2/, { kind: 'stall' }],
    ['before the first byte', PARTS, { kind: 'stall', afterBytes: 0 }],
    ['soon after it began', PARTS, { kind: 'stall', afterBytes: 300_000 }],
    ['in the midst of it', PARTS, { kind: 'stall', afterBytes: 1_000_000 }],
    ['before it has pg_control', /tar_partitions\/pg_control/, { kind: 'stall' }],
  ])('%s leaves what no server starts in, and the next one starts clean', async (_, path, fault) => {
    const place = await makePlace();
    const killed = await endAt(place, path, fault, 'SIGKILL');
    expect(killed.signal).toBe('SIGKILL');
    expect(existsSync(join(place.datadir, 'global/pg_control'))).toBe(false);
    const remains = await contentsOf(place);
    if (remains.length > 0) expect(remains).toContain(MARK);
    // Killed again while it begins anew.
    await endAt(place, PARTS, { kind: 'stall', afterBytes: 300_000 }, 'SIGKILL');
    const { datadir } = place;
    const again = await runReplicaBootstrap(
      { datadir, connstring: connstringOf(primary) },
      { env, more: [`--tablespace-root=${place.root}`] },
    );
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain('had left that was ended');
    await expectWhole(place);
  });

  it('when it makes all durable, or later, leaves remains or a whole cluster', async () => {
    let [whole, partial] = [0, 0];
    for (let attempt = 0; attempt < 2; attempt++) {
      const place = await makePlace();
      const running = startPgarc(place.args, { env });
      await waitFor(() => running.stderr().includes('durable') || running.child.exitCode !== null, {
        what: `the end of the restore: ${running.stderr()}`,
        interval: 1,
      });
      if (attempt === 1) {
        const control = join(place.datadir, 'global/pg_control');
        await waitFor(() => existsSync(control), { what: 'pg_control', interval: 1 });
      }
      running.child.kill('SIGKILL');
      await running.result;
      if (existsSync(join(place.datadir, 'global/pg_control'))) {
        whole++;
        // It may be in use: never emptied, whatever mark is left.
        const again = startPgarc(place.args, { env });
        expect((await again.result).code).toBe(2);
        expect(again.stderr()).toContain('directory-not-empty');
        continue;
      }
      partial++;
      const again = startPgarc(place.args, { env });
      expect((await again.result).code, again.stderr()).toBe(0);
      await expectWhole(place);
    }
    expect(whole + partial).toBe(2);
    expect(whole).toBeGreaterThanOrEqual(1);
  });

  it('lets no second one begin while it lives', async () => {
    const place = await makePlace();
    proxy.add({ path: PARTS, fault: { kind: 'stall', afterBytes: 300_000 } });
    const first = startPgarc(place.args, { env: { ...env, PGARC_REQUEST_TIMEOUT: '60s' } });
    await waitFor(() => existsSync(join(place.datadir, 'base')), { what: 'the first files' });
    const second = startPgarc(place.args, { env: { ...env, AWS_ENDPOINT: direct.AWS_ENDPOINT } });
    expect((await second.result).code, second.stderr()).toBe(1);
    expect(second.stderr()).toMatch(/reason=locked .*another pgarc restores/);
    expect(existsSync(join(place.datadir, 'base'))).toBe(true);
    first.child.kill('SIGKILL');
    await first.result;
  });
});

it('a bootstrap that Patroni ends with SIGTERM leaves nothing', async () => {
  const place = await makePlace();
  const result = await endAt(place, PARTS, { kind: 'stall', afterBytes: 300_000 }, 'SIGTERM');
  expect(result.code, result.stderr).toBe(1);
  expect(result.stderr).toMatch(/verdict=retry reason=interrupted/);
  expect(existsSync(place.datadir)).toBe(false);
  expect(existsSync(place.root)).toBe(false);
});

describe('a store that fails', () => {
  it('in the midst of the restore: code 1, explained, and nothing is left for basebackup to stumble over', async () => {
    const silence = { path: PARTS, fault: { kind: 'stall', afterBytes: 0 } } as const;
    for (const rules of [
      [{ path: PARTS, fault: { kind: 'respond', status: 500 } }],
      [{ path: PARTS, times: 2, fault: { kind: 'stall', afterBytes: 300_000 } }, silence],
    ] satisfies FaultRule[][]) {
      proxy.reset();
      for (const rule of rules) proxy.add(rule);
      const place = await makePlace();
      const running = startPgarc(place.args, { env });
      const result = await running.result;
      expect(result.code, result.stderr).toBe(1);
      expect(result.stderr).toMatch(/verdict=use reason=within-thresholds/);
      expect(result.stderr).toMatch(/verdict=retry reason=store-unreachable message="the restore failed: /);
      expect(existsSync(place.datadir)).toBe(false);
      expect(existsSync(place.root)).toBe(false);
    }
  });

  it('with a damaged object: code 2, and nothing is left', async () => {
    proxy.add({ path: PARTS, fault: { kind: 'flip-answer', offset: 100_000 } });
    const place = await makePlace();
    const result = await startPgarc(place.args, { env }).result;
    expect(result.code, result.stderr).toBe(2);
    expect(result.stderr).toMatch(/verdict=no reason=object-damaged/);
    expect(existsSync(place.datadir)).toBe(false);
  });

  it('from the start, without etcd: code 1', async () => {
    await proxy.close();
    const place = await makePlace();
    const result = await startPgarc(place.args, { env }).result;
    await proxy.open();
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toMatch(/verdict=retry reason=store-unreachable/);
    expect(existsSync(place.datadir)).toBe(false);
  });
});

describe('with etcd', () => {
  let etcd: TestEtcd;
  let both: Record<string, string>;
  beforeAll(async () => {
    etcd = await startEtcd();
    both = { ...env, ...etcd.env('main'), PGARC_ETCD_TIMEOUT: '1s' };
    // As backup-push and the daemon keep it.
    await etcd.ready();
    await mustRunPgarc(['backup-push', primary.dataDir], {
      env: { ...direct, ...etcd.env('main'), ...primary.env },
    });
    await waitFor(async () => (await etcd.get('/service/main/pgarc/backups')) !== undefined, {
      what: 'the list in etcd',
    });
  });

  async function bootstrap(more: Record<string, string>) {
    const place = await makePlace();
    const result = await startPgarc([...place.args, '--json'], { env: { ...both, ...more } }).result;
    return { place, result, document: JSON.parse(result.stdout) as { list: { source: string } | null } };
  }

  it('its list is enough to decide against the archive while the store is down', async () => {
    await proxy.close();
    const { place, result, document } = await bootstrap({ PGARC_THRESHOLD_MEGABYTES: '0' });
    await proxy.open();
    expect(result.code, result.stderr).toBe(2);
    expect(result.stderr).toMatch(/verdict=no reason=over-megabytes .*list from etcd, as of 20/);
    expect(document.list?.source).toBe('etcd');
    expect(existsSync(place.datadir)).toBe(false);
  });

  it('its list is not enough to restore from a store that is down: code 1, and nothing is left', async () => {
    await proxy.close();
    const { place, result } = await bootstrap({});
    await proxy.open();
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toMatch(/verdict=retry reason=store-unreachable/);
    expect(existsSync(place.datadir)).toBe(false);
  });

  it('nothing is wrong when etcd is down and the store is not', async () => {
    await etcd.stop();
    const { place, result, document } = await bootstrap({});
    expect(result.code, result.stderr).toBe(0);
    expect(document.list?.source).toBe('store');
    await expectWhole(place);
  });
});
