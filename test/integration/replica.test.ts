import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { fillPgbench } from '../support/pgbench.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import {
  allowFirst,
  connstringOf,
  REPLICATOR,
  runReplicaBootstrap,
  startAsStandby,
} from '../support/replica.ts';
import { makeRestoreTarget, verifyRestored } from '../support/restore.ts';
import { makeStore, type TestStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';

let store: TestStore;
let primary: TestPostgres;
let standby: TestPostgres;

beforeAll(async () => {
  store = await makeStore('minio');
  primary = await startPostgres({ archive: true, env: store.env });
  await primary.query(`CREATE ROLE ${REPLICATOR} LOGIN REPLICATION`);
  await primary.query('CREATE ROLE plain LOGIN');
  await primary.query("CREATE ROLE secretive LOGIN REPLICATION PASSWORD 'only-in-pgpass-7Q'");
  await allowFirst(
    primary,
    'host all secretive 127.0.0.1/32 scram-sha-256',
    'host replication secretive 127.0.0.1/32 scram-sha-256',
  );
  await fillPgbench(primary, 2);
  await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...store.env, ...primary.env } });
});

interface Document {
  verdict: string;
  reason: string;
  message: string;
  exitCode: number;
  leader: Record<string, unknown> | null;
  backup: { name: string } | null;
  walSinceBackup: number | null;
  wal: Record<string, unknown> | null;
  list: { source: string } | null;
  unfit: { name: string; reason: string }[];
}

interface Asked {
  method?: Record<string, string>;
  env?: Record<string, string>;
  connstring?: string;
  more?: string[];
}

/** Only the decision: nothing is restored. */
async function decide({ method = {}, env = {}, connstring = connstringOf(primary), more = [] }: Asked = {}) {
  const datadir = await makeRestoreTarget();
  const result = await runReplicaBootstrap(
    { datadir, connstring },
    { method, env: { ...store.env, ...env }, more: ['--dry-run', '--json', ...more] },
  );
  expect(existsSync(datadir), 'something was restored').toBe(false);
  const document = JSON.parse(result.stdout) as Document;
  expect(document.exitCode).toBe(result.code);
  // The line is there in every case, once.
  expect(result.stderr.match(/replicaDecision verdict=/g)).toHaveLength(1);
  expect(result.stderr).toContain(`verdict=${document.verdict} reason=${document.reason}`);
  return { ...document, stderr: result.stderr };
}

describe('a replica that starts from the archive', () => {
  it("with Patroni's arguments and keys, to its streaming", async () => {
    const datadir = await makeRestoreTarget();
    const result = await runReplicaBootstrap(
      { datadir, connstring: connstringOf(primary) },
      {
        env: store.env,
        method: {
          threshold_megabytes: '10240',
          threshold_backup_size_percentage: '1000',
          no_leader: '1',
          no_master: '1',
          keep_data: 'True',
          retries: '2',
          use_iam: '1',
          some_future_key: 'x',
        },
      },
    );
    expect(result.code, result.stderr).toBe(0);
    expect(result.stderr).toMatch(
      /verdict=use reason=within-thresholds message="using the archive: backup base_/,
    );
    expect(result.stderr).toMatch(/some_future_key means nothing/);
    expect(result.stdout).toMatch(/^restored base_\S+ into /);
    const entries = await readdir(datadir);
    expect(entries).toContain('backup_label');
    expect(entries.filter((entry) => /signal$|^pgsql_tmp|recovery\.conf/.test(entry))).toEqual([]);
    await verifyRestored(datadir);
    standby = await startAsStandby(datadir, primary, store.env);
    await primary.query('CREATE TABLE streamed AS SELECT 42 AS answer');
    await waitFor(async () => (await standby.value('SELECT answer FROM streamed')) === '42', {
      what: 'what the leader has just written',
    });
    expect(await standby.value('SELECT status FROM pg_stat_wal_receiver')).toBe('streaming');
  });

  it('is refused over the megabytes, over the percentage, and with either of none', async () => {
    await primary.query("SELECT pg_logical_emit_message(true, 'x', repeat('x', 3000000))");
    expect(await decide({ method: { threshold_megabytes: '1' } })).toMatchObject({
      verdict: 'no',
      reason: 'over-megabytes',
      exitCode: 2,
    });
    expect(await decide({ method: { threshold_backup_size_percentage: '1' } })).toMatchObject({
      verdict: 'no',
      reason: 'over-percentage',
      exitCode: 2,
    });
    const limits = { WALE_BACKUP_THRESHOLD_MEGABYTES: '0', WALE_BACKUP_THRESHOLD_PERCENTAGE: '1000' };
    expect(await decide({ env: limits })).toMatchObject({ reason: 'over-megabytes' });
    expect(await decide({ env: limits, more: ['--threshold-megabytes=5000'] })).toMatchObject({
      verdict: 'use',
    });
  });

  it('measures from the start of the backup to where the leader is', async () => {
    const found = await decide({ more: ['--threshold-percentage', '1000'] });
    expect(found).toMatchObject({
      verdict: 'use',
      exitCode: 0,
      list: { source: 'store' },
      wal: { contiguous: true },
    });
    const distance = Number(
      await primary.value('SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)', [
        (found.backup as unknown as { startLsn: string }).startLsn,
      ]),
    );
    expect(found.walSinceBackup).toBeGreaterThan(3_000_000);
    expect(found.walSinceBackup).toBeLessThanOrEqual(distance);
  });
});

const LENIENT = { more: ['--threshold-percentage=1000'] };

describe('the leader', () => {
  it('that does not answer is a reason against, unless there need be none', async () => {
    const connstring = 'dbname=postgres user=replicator host=127.0.0.1 port=1';
    expect(await decide({ ...LENIENT, connstring, method: { retries: '0' } })).toMatchObject({
      verdict: 'no',
      reason: 'leader-unreachable',
    });
    for (const method of [{ no_leader: '1' }, { no_master: 'true' }]) {
      const found = await decide({ ...LENIENT, connstring, method: { ...method, retries: '0' } });
      expect(found).toMatchObject({ verdict: 'use', reason: 'no-leader', walSinceBackup: 0 });
    }
    expect(await decide({ connstring: '' })).toMatchObject({ verdict: 'use', reason: 'no-leader' });
  });

  it('is the first of several hosts that answers', async () => {
    const connstring = `host=127.0.0.1,127.0.0.1 port=1,${primary.port} user=replicator dbname=postgres`;
    expect(await decide({ ...LENIENT, connstring })).toMatchObject({ verdict: 'use' });
    const uri = `postgresql://replicator@127.0.0.1:${primary.port}/postgres`;
    expect(await decide({ ...LENIENT, connstring: uri })).toMatchObject({ verdict: 'use' });
  });

  it("is asked with the password of Patroni's file, not with pgarc's own", async () => {
    const connstring = connstringOf(primary, 'secretive');
    const PGPASSFILE = join(await makeTemporaryFolder('pass'), 'pgpass');
    await writeFile(PGPASSFILE, `127.0.0.1:${primary.port}:*:secretive:only-in-pgpass-7Q\n`, { mode: 0o600 });
    giveAway(PGPASSFILE);
    const env = { PGPASSFILE, PGPASSWORD: 'of-another-user-7Q' };
    expect(await decide({ ...LENIENT, connstring, env })).toMatchObject({ verdict: 'use' });
    const without = await decide({ ...LENIENT, connstring, method: { retries: '0' } });
    expect(without).toMatchObject({ reason: 'leader-unreachable' });
    const inside = await decide({ ...LENIENT, connstring: `${connstring} password=only-in-pgpass-7Q` });
    expect(inside).toMatchObject({ verdict: 'use' });
    for (const { stderr, message } of [without, inside]) expect(stderr + message).not.toContain('pgpass-7Q');
  });

  it('is asked with SQL where the login may not replicate', async () => {
    const connstring = connstringOf(primary, 'plain');
    const found = await decide({ ...LENIENT, connstring });
    expect(found).toMatchObject({ verdict: 'use', leader: { timeline: 1, inRecovery: false } });
    const behind = await decide({ ...LENIENT, connstring: connstringOf(standby, 'plain') });
    expect(behind).toMatchObject({ verdict: 'use', leader: { timeline: 1, inRecovery: true } });
  });

  it('may be a replica itself', async () => {
    const found = await decide({ ...LENIENT, connstring: connstringOf(standby) });
    expect(found).toMatchObject({ verdict: 'use', leader: { inRecovery: true } });
  });

  it('of another cluster is a reason against', async () => {
    const other = await startPostgres();
    await other.query(`CREATE ROLE ${REPLICATOR} LOGIN REPLICATION`);
    const found = await decide({ ...LENIENT, connstring: connstringOf(other) });
    expect(found).toMatchObject({
      verdict: 'no',
      reason: 'other-cluster',
      unfit: [{ reason: 'other-cluster' }],
    });
    await other.stop();
  });
});

describe('the archive', () => {
  it('without a backup is not used', async () => {
    const empty = await makeStore('folder');
    expect(await decide({ env: empty.env })).toMatchObject({ verdict: 'no', reason: 'no-backup' });
  });

  it('with a gap between backup and leader is not used, and the line names it', async () => {
    for (let count = 0; count < 3; count++) {
      await primary.query('CREATE TABLE IF NOT EXISTS filler (a int)');
      await primary.query('INSERT INTO filler VALUES (1)');
      await primary.archiveAll();
    }
    const segments = (await store.keys('wal_005/')).filter((key) => /\/[0-9A-F]{24}\.lz4$/.test(key));
    const lost = segments.at(-2)!;
    const body = await store.read(lost);
    await store.remove(lost);
    const found = await decide(LENIENT);
    await store.write(lost, body);
    expect(found).toMatchObject({
      verdict: 'no',
      reason: 'wal-gap',
      exitCode: 2,
      wal: { contiguous: false },
    });
    expect(found.message).toContain(`missing: ${/[0-9A-F]{24}/.exec(lost)?.[0]}`);
    expect(await decide(LENIENT)).toMatchObject({ verdict: 'use' });
  });

  it('leads to a leader of the timeline after; what the old leader backed up since is passed over', async () => {
    const before = (await decide(LENIENT)).backup?.name;
    await standby.promote();
    await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...store.env, ...primary.env } });
    const found = await decide({ ...LENIENT, connstring: connstringOf(standby) });
    expect(found).toMatchObject({ verdict: 'use', leader: { timeline: 2 }, backup: { name: before } });
    expect(found.unfit).toMatchObject([{ reason: 'other-timeline' }]);
    expect((await decide(LENIENT)).backup?.name).not.toBe(before);
    // By SQL nobody tells how timeline 2 came to be, and the archive does not have it.
    const unknown = await decide({ ...LENIENT, connstring: connstringOf(standby, 'plain') });
    expect(unknown).toMatchObject({ verdict: 'no', reason: 'other-timeline' });
  });
});

describe('what is refused, with code 2 and nothing touched', () => {
  it('a directory with anything in it, whatever keep_data says', async () => {
    const datadir = await makeOwnedDirectory(join(await makeTemporaryFolder('busy'), 'data'));
    await writeFile(join(datadir, 'PG_VERSION'), '15\n');
    const own = { datadir, connstring: connstringOf(primary) };
    const result = await runReplicaBootstrap(own, { env: store.env, method: { keep_data: 'True' } });
    expect(result.code, result.stderr).toBe(2);
    expect(result.stderr).toMatch(/verdict=no reason=directory-not-empty/);
    expect(await readdir(datadir)).toEqual(['PG_VERSION']);
  });

  it('the directory of a running server', async () => {
    const own = { datadir: primary.dataDir, connstring: connstringOf(primary) };
    const result = await runReplicaBootstrap(own, { env: store.env });
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/reason=server-running/);
    expect(await primary.value('SELECT 1')).toBe('1');
  });

  it('wrong usage and settings', async () => {
    const datadir = await makeRestoreTarget();
    const connstring = connstringOf(primary);
    for (const more of [
      ['--threshold_megabyte=1'],
      ['--threshold-megabytes=many'],
      ['--no_leader=perhaps'],
      ['--connstring=host'],
      ['--connstring=host=127.0.0.1 sslmode=perhaps'],
      ['--store=nowhere'],
      ['--verbosely'],
    ]) {
      const options = { env: store.env, more: ['--json', ...more] };
      const result = await runReplicaBootstrap({ datadir, connstring }, options);
      expect(result.code, `${more}: ${result.stderr}`).toBe(2);
      expect(JSON.parse(result.stdout)).toMatchObject({ verdict: 'no', exitCode: 2 });
      expect(result.stderr).toMatch(
        /verdict=no reason=(usage|setting-invalid) message="not using the archive: /,
      );
    }
    const missing = await runPgarc(['replica-bootstrap', '--scope=main', `--datadir=${datadir}`], {
      env: store.env,
    });
    expect(missing.code).toBe(2);
    expect(existsSync(datadir)).toBe(false);
  });
});

it('tablespaces go to their own places when these are empty, and are refused, explained, when not', async () => {
  const place = await makeOwnedDirectory(join(await makeTemporaryFolder('ts'), 'fast'));
  const own = await makeStore('folder');
  const server = await startPostgres({ archive: true, env: own.env });
  await server.query(`CREATE TABLESPACE fast LOCATION '${place}'`);
  await server.query('CREATE TABLE t TABLESPACE fast AS SELECT 7 AS a');
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...own.env, ...server.env } });
  const datadir = await makeRestoreTarget();
  const request = { datadir, connstring: connstringOf(server, 'postgres') };
  const options = { env: own.env, ...LENIENT };
  const refused = await runReplicaBootstrap(request, options);
  expect(refused.code, refused.stderr).toBe(2);
  expect(refused.stderr).toMatch(/verdict=no reason=refused .*not empty/);
  expect(refused.stderr).toContain('--tablespace-map');
  expect(existsSync(datadir)).toBe(false);
  const root = await makeTemporaryFolder('root');
  const moved = await runReplicaBootstrap(request, {
    ...options,
    more: [...LENIENT.more, `--tablespace-root=${root}`],
  });
  expect(moved.code, moved.stderr).toBe(0);
  await verifyRestored(datadir);
  await server.stop();
  const { rm } = await import('node:fs/promises');
  await rm(place, { recursive: true });
  await mkdir(place);
  giveAway(place);
  const second = await makeRestoreTarget();
  const again = await runReplicaBootstrap({ datadir: second, connstring: '' }, { env: own.env });
  expect(again.code, again.stderr).toBe(0);
  expect((await readdir(place)).map((entry) => entry.slice(0, 3))).toEqual(['PG_']);
  await verifyRestored(second);
});
