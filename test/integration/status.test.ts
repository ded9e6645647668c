import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { mustRunPgarc, PGARC, runPgarc } from '../support/pgarc.ts';
import { startPostgres, startStandby, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** ms. Asked one after the other, what hangs would take more than a minute; a loaded machine starts Node in seconds. */
const LONGEST = 10_000;

interface Document {
  healthy: boolean;
  troubles: { subject: string; message: string; command: string }[];
  sources: Record<string, { state: string; message?: string }>;
  role: string | null;
  systemIdentifier: string | null;
  archive: { waitingFiles: number | null; lastArchived: string | null };
  backups: { source: string; at: string | null; count: number; newest: { name: string } | null } | null;
  wal: { source: string; gaps: number; window: { from: string; to: string } | null } | null;
  etcd: { leader: { node: string } | null; members: unknown[] } | null;
  daemon: { pid: number; notReady: string[] } | null;
  jobs: { source: string; jobs: { job: string; next: string[] }[] } | null;
}

let env: Record<string, string>;
let proxy: FaultProxy;
let etcd: TestEtcd;
let primary: TestPostgres;
let daemon: TestDaemon;
const undo: (() => unknown)[] = [];

async function status(more: Record<string, string | undefined> = {}) {
  const { code, stdout, stderr, durationMs } = await runPgarc(['status', '--json'], {
    env: { ...env, ...more },
  });
  expect(stderr).toBe('');
  expect(durationMs).toBeLessThan(LONGEST);
  const document = JSON.parse(stdout) as Document;
  return { code, document, subjects: [...new Set(document.troubles.map(({ subject }) => subject))] };
}

/** Waits until all is well, so that the next test begins so. */
async function isWell(): Promise<Document> {
  let last: Document | undefined;
  const found = await waitFor(
    async () => {
      const { code, document } = await status();
      last = document;
      return code === 0 && document;
    },
    { timeout: 60_000, interval: 500, what: 'status to find all well' },
  ).catch((error: unknown) => {
    throw new Error(`${error}: ${JSON.stringify(last?.troubles)}\n${daemon.stderr()}`, { cause: error });
  });
  return found;
}

function freeze(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  undo.push(() => process.kill(pid, 'SIGCONT'));
}

async function postmaster(): Promise<number> {
  return Number((await readFile(join(primary.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

function stallStore(): void {
  undo.push(proxy.add({ fault: { kind: 'stall' } }));
}

async function runStatusDaemon(): Promise<TestDaemon> {
  return startDaemon(env);
}

beforeAll(async () => {
  const [minio, startedEtcd] = await Promise.all([startMinio(), startEtcd()]);
  etcd = startedEtcd;
  proxy = await startFaultProxy(minio.endpoint);
  const store = {
    ...minio.env('status', proxy.endpoint),
    ...etcd.env('status'),
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGARC_NODE_NAME: 'db1',
    PGARC_HTTP_LISTEN: 'off',
    PGARC_ETCD_LEASE: '5s',
    PGARC_BACKUP_FROM: 'any',
    PGARC_SCHEDULE_BACKUP_CRON: '0 3 * * *',
  };
  primary = await startPostgres({ archive: true, env: store });
  env = { ...store, ...primary.env };
  await primary.query('CREATE TABLE t AS SELECT generate_series(1, 1000)');
  await mustRunPgarc(['backup-push'], { env });
  await primary.query('INSERT INTO t VALUES (1)');
  await primary.archiveAll();
  daemon = await runStatusDaemon();
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('a primary with S3, etcd and a daemon', () => {
  it('is well', async () => {
    const document = await isWell();
    expect(document).toMatchObject({
      healthy: true,
      troubles: [],
      role: 'primary',
      archive: { waitingFiles: 0, lastArchived: expect.stringMatching(/^0000000100000000/) },
      backups: { source: 'store', count: 1 },
      wal: { source: 'store', gaps: 0, window: { to: expect.stringMatching(/Z$/) } },
      etcd: { leader: { node: 'db1' }, members: [{ node: 'db1', role: 'primary' }] },
      daemon: { pid: daemon.pid, notReady: [] },
      jobs: { source: 'etcd' },
    });
    const { code, stdout } = await runPgarc(['status'], { env });
    expect([code, stdout.match(/^\w+/gm)]).toEqual([
      0,
      ['cluster', 'health', 'server', 'archive', 'backups', 'window', 'gaps', 'daemon', 'etcd', 'backup'],
    ]);
    expect(stdout).not.toContain(env.AWS_SECRET_ACCESS_KEY);
    // The daemon's own look at the archive, for when the store is down.
    await waitFor(() => existsSync(join(env.PGARC_SPOOL!, 'archive-scan.json')));
  });

  it('is read from etcd and the daemon while the store hangs', async () => {
    stallStore();
    const { code, document, subjects } = await status();
    expect([code, subjects]).toEqual([3, ['store']]);
    expect(document).toMatchObject({
      sources: {
        store: { state: 'failed', message: expect.stringMatching(/no answer within|nothing moved/) },
        postgres: { state: 'ok' },
      },
      backups: { source: 'etcd', count: 1, at: expect.stringMatching(/Z$/) },
      wal: { source: 'daemon', gaps: 0 },
      troubles: [{ command: 'pgarc check' }],
    });
    const { stdout } = await runPgarc(['status'], { env });
    expect(stdout).toMatch(/^backups .* from etcd, .* old$/m);
    expect(stdout).toMatch(/^window .* from the daemon, .* old$/m);
    expect(stdout).toMatch(/^store: s3:\S+ does not answer: .*\n {2}\$ pgarc check$/m);
  });

  it('names why the store cannot be reached', async () => {
    await proxy.close();
    undo.push(() => proxy.open());
    const { code, document } = await status();
    expect(code).toBe(3);
    expect(document.sources.store?.message).toMatch(/ECONNREFUSED/);
    expect(document.backups).toMatchObject({ source: 'etcd', count: 1 });
  });

  it('is useful while PostgreSQL hangs', async () => {
    freeze(await postmaster());
    const { code, document, subjects } = await status();
    expect([code, subjects[0]]).toEqual([3, 'postgres']);
    expect(document).toMatchObject({
      sources: { postgres: { state: 'failed' }, files: { state: 'ok' }, store: { state: 'ok' } },
      role: 'primary',
      systemIdentifier: expect.stringMatching(/^\d+$/),
      archive: { waitingFiles: 0, lastArchived: null },
      backups: { count: 1 },
    });
  });

  it('says how to start PostgreSQL when it is down', async () => {
    await primary.stop();
    undo.push(() => primary.start());
    const { code, document } = await status();
    expect(code).toBe(3);
    expect(document.troubles[0]).toMatchObject({
      subject: 'postgres',
      message: `no server runs on ${primary.dataDir}, which is "shut down"`,
      // For root, as the user whom the directory belongs to.
      command: expect.stringMatching(
        new RegExp(`^((runuser|setpriv) .* )?pg_ctl -D ${primary.dataDir} start$`),
      ),
    });
    expect(document.wal).toMatchObject({ source: 'store', gaps: 0 });
  });

  it('is useful while etcd hangs, and while it is down', async () => {
    const [member] = etcd.members;
    member!.pause();
    undo.push(() => member!.resume());
    const hung = await status();
    expect([hung.code, hung.subjects]).toEqual([3, ['etcd']]);
    expect(hung.document.jobs?.source).toBe('daemon');
    expect(hung.document).toMatchObject({
      etcd: null,
      backups: { source: 'store', count: 1 },
      wal: { gaps: 0 },
    });
    member!.resume();
    undo.length = 0;
    await etcd.stop();
    undo.push(() => etcd.start());
    const gone = await status();
    expect(gone.code).toBe(3);
    expect(gone.document.sources.etcd).toMatchObject({ state: 'failed' });
  });

  it('knows a daemon that hangs from one that is gone', async () => {
    await isWell();
    freeze(daemon.pid);
    const hung = await status();
    expect(hung.code).toBe(3);
    expect(hung.subjects).toContain('daemon');
    expect(hung.document.jobs).toMatchObject({ source: 'etcd', jobs: [{ job: 'backup' }, {}, {}] });
    for (const step of undo.splice(0)) await step();
    await daemon.kill();
    const { document } = await waitFor(
      async () => {
        const found = await status();
        return found.document.etcd?.leader === null && found;
      },
      { what: 'the lease of a killed daemon to end' },
    );
    expect(document.sources.daemon).toEqual({ state: 'none' });
    expect(document.troubles).toMatchObject([
      {
        subject: 'etcd',
        message: 'no node leads, so that no scheduled job runs: no daemon of the scope lives',
        command: 'pgarc daemon',
      },
    ]);
    daemon = await runStatusDaemon();
    await isWell();
  });

  it('ends in time while everything hangs at once', async () => {
    stallStore();
    freeze(await postmaster());
    freeze(daemon.pid);
    const [member] = etcd.members;
    member!.pause();
    undo.push(() => member!.resume());
    const { code, document, subjects } = await status();
    expect([code, subjects]).toEqual([3, ['store', 'postgres', 'etcd', 'daemon']]);
    expect(document).toMatchObject({ backups: null, wal: { source: 'daemon' }, role: 'primary' });
    const { stdout, durationMs } = await runPgarc(['status'], { env });
    expect(durationMs).toBeLessThan(LONGEST);
    expect(stdout).toMatch(/^backups +unknown: .*(no answer within|nothing moved)/m);
  });
});

describe('alone', () => {
  it('works without daemon and etcd, on a standby too', async () => {
    const alone = { PGARC_ETCD_ENDPOINTS: '', PGARC_SCHEDULE_BACKUP_CRON: '', PGARC_DAEMON: 'no' };
    const spool = await makeTemporaryFolder('spool');
    const first = await status({ ...alone, PGARC_SPOOL: spool });
    expect(first.document.troubles).toEqual([]);
    expect(first.code).toBe(0);
    expect(first.document).toMatchObject({ etcd: null, daemon: null, jobs: null, wal: { source: 'store' } });
    const standby = await startStandby(primary, { settings: { archive_mode: 'on' } });
    await waitFor(async () => (await standby.value('SELECT count(*) FROM pg_stat_wal_receiver')) === '1');
    const second = await status({ ...alone, ...standby.env, PGARC_SPOOL: spool });
    expect([second.code, second.document.role]).toEqual([0, 'standby']);
  });

  it('says what is missing where nothing is set up', async () => {
    const bare = {
      PGARC_SPOOL: await makeTemporaryFolder('spool'),
      PGHOST: '/nowhere',
      PGARC_HTTP_LISTEN: 'off',
    };
    const { code, stdout } = await runPgarc(['status', '--json'], { env: bare });
    expect(code).toBe(3);
    const { troubles, backups } = JSON.parse(stdout) as Document;
    expect([troubles.map(({ subject }) => subject), backups]).toEqual([['settings', 'postgres'], null]);
  });
});

it('finds what is wrong with the archive', async () => {
  const store = await makeTemporaryFolder('store');
  const own = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const server = await startPostgres({
    env: own,
    settings: { archive_mode: 'on', archive_command: 'false pgarc %p' },
  });
  await server.query('SELECT pg_switch_wal()');
  const failing = await waitFor(
    async () => {
      const { code, stdout } = await runPgarc(['status', '--json'], { env: { ...own, ...server.env } });
      const document = JSON.parse(stdout) as Document;
      return document.troubles.length === 2 && { code, document };
    },
    { interval: 500, what: 'a failure of the archiver' },
  );
  expect(failing.code).toBe(3);
  expect(failing.document.troubles).toMatchObject([
    {
      subject: 'archive',
      message: expect.stringMatching(
        /^(1 WAL file waits|\d WAL files wait) to be archived, .*; archiving 0{7}1\w+ failed$/,
      ),
      command: expect.stringMatching(/^pgarc wal-push \/.*\/pg_wal\/0{7}1\w+$/),
    },
    { subject: 'backups', command: 'pgarc backup-push' },
  ]);
});

it('leads to an archive_mode that is on', async () => {
  const own = { PGARC_STORE: `file://${await makeTemporaryFolder('store')}` };
  const server = await startPostgres({ env: own });
  const env = { ...own, ...server.env, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const first = async () => {
    const { stdout } = await runPgarc(['status', '--json'], { env });
    return (JSON.parse(stdout) as Document).troubles[0];
  };
  expect(await first()).toMatchObject({
    subject: 'archive',
    command: expect.stringContaining('pg_reload_conf'),
  });
  await server.query('ALTER SYSTEM SET archive_mode = on');
  await server.query('SELECT pg_reload_conf()');
  await waitFor(async () => / restart$/.test((await first())!.command), { interval: 200 });
});

it('finds that what PostgreSQL takes for archived is not in the archive', async () => {
  const store = await makeTemporaryFolder('store');
  const own = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const server = await startPostgres({ env: own, settings: { archive_mode: 'on' } });
  const archiveWith = async (command: string) => {
    await server.query(`ALTER SYSTEM SET archive_command = '${command}'`);
    await server.query('SELECT pg_reload_conf()');
  };
  await archiveWith(`${PGARC} wal-push %p`);
  await mustRunPgarc(['backup-push'], { env: { ...own, ...server.env } });
  await archiveWith('/bin/true');
  // The archiver may store one more before it has read the new setting.
  for (const table of ['a', 'b', 'c']) {
    await server.query(`CREATE TABLE ${table} ()`);
    await server.archiveAll();
  }
  const document = await waitFor(
    async () => {
      const { code, stdout } = await runPgarc(['status', '--json'], { env: { ...own, ...server.env } });
      return code === 3 && (JSON.parse(stdout) as Document);
    },
    { timeout: 30_000, interval: 500, what: 'status to find the WAL that is lost' },
  );
  expect(document.troubles).toMatchObject([
    {
      subject: 'archive',
      message: expect.stringMatching(
        /^PostgreSQL archived 0{7}1\w{16} just now, and the archive ends at 0{7}1\w{16}; archive_command does not/,
      ),
      command: expect.stringContaining("ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'"),
    },
  ]);
});
