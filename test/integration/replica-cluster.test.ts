import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Moment, readLedger, startLedger } from '../support/ledger.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, PGARC, type RunOptions, runPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeRestoreTarget, startRestored, verifyRestored } from '../support/restore.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';

let minio: TestMinio;
let primary: TestPostgres;
let env: Record<string, string>;
let moment: Moment;
let last: number;

/** Settings of a scope, as the environment of an image has them. */
async function scopeEnv(scope: string): Promise<Record<string, string>> {
  return {
    ...minio.env(`backups/${scope}/wal`),
    PATRONI_SCOPE: scope,
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
  };
}

beforeAll(async () => {
  minio = await startMinio();
  env = await scopeEnv('main');
  primary = await startPostgres({ archive: true, env });
  const ledger = await startLedger(primary);
  await ledger.grow(50);
  await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...env, ...primary.env } });
  await ledger.grow(50);
  moment = await ledger.remember();
  await ledger.grow(50);
  last = await ledger.stop();
  // What an administrator set there once must not send the clone's WAL to the source.
  await primary.query(`ALTER SYSTEM SET archive_command = '${PGARC} wal-push --store=${env.PGARC_STORE} %p'`);
  await primary.archiveAll();
  await mustRunPgarc(['backup-push', primary.dataDir], { env: { ...env, ...primary.env } });
  await primary.archiveAll();
  await primary.kill();
});

/** Runs `pgarc bootstrap` as Patroni does (bootstrap.py, _custom_bootstrap): the command, then its parameters. */
async function bootstrap(scope: string, more: readonly string[], options: RunOptions) {
  const datadir = await makeRestoreTarget();
  const args = ['bootstrap', ...more, `--scope=${scope}`, `--datadir=${datadir}`];
  return { datadir, result: await runPgarc(args, options) };
}

/** All objects of a scope with their ETags and times. */
async function snapshot(scope: string): Promise<string[]> {
  const { Contents = [] } = await minio.client.send(
    new ListObjectsV2Command({ Bucket: minio.bucket, Prefix: `backups/${scope}/` }),
  );
  return Contents.map(
    ({ Key, ETag, Size, LastModified }) => `${Key} ${ETag} ${Size} ${LastModified?.toISOString()}`,
  );
}

function expectMoment(found: { last: number; whole: boolean }): void {
  expect(found.whole).toBe(true);
  expect(found.last).toBeGreaterThanOrEqual(moment.committed);
  expect(found.last).toBeLessThanOrEqual(moment.sent);
}

describe('a clone under another scope', () => {
  it('reads the source archive, archives to its own, and changes nothing in the source', async () => {
    const before = await snapshot('main');
    const own = await scopeEnv('copy');
    const { datadir, result } = await bootstrap('copy', ['--source-scope=main'], { env: own });
    expect(result.code, result.stderr).toBe(0);
    expect(result.stderr).toContain('cloning s3://backups/backups/main/wal');
    expect((await readdir(datadir)).filter((name) => name.startsWith('pgsql_tmp'))).toEqual([]);
    const conf = await readFile(join(datadir, 'postgresql.auto.conf'), 'utf8');
    expect(conf).toMatch(
      /^restore_command = '.*wal-fetch .*--store=s3:\/\/backups\/backups\/main\/wal .*%f "%p"'$/m,
    );
    expect(conf).not.toMatch(/archive_command/);
    await verifyRestored(datadir);
    const clone = await startRestored(datadir, own, { archive: true });
    expect(await readLedger(clone)).toEqual({ last, whole: true });
    await clone.query('CREATE TABLE of_clone AS SELECT 1 AS a');
    await clone.archiveAll();
    const keys = await minio.keys('backups/copy/wal/');
    expect(keys).toContain('backups/copy/wal/pgarc/identity.json');
    expect(keys.filter((key) => /\/00000002/.test(key)).length).toBeGreaterThanOrEqual(2);
    expect(await snapshot('main')).toEqual(before);
    // And it can be backed up and brought back by itself.
    await mustRunPgarc(['backup-push', clone.dataDir], { env: { ...own, ...clone.env } });
    await clone.stop();
    expect(await snapshot('main')).toEqual(before);

    // A second clone into the same archive would use the same names for other WAL.
    const second = await bootstrap('copy', ['--source-scope=main'], { env: own });
    expect(second.result.code).toBe(4);
    expect(second.result.stderr).toMatch(/own archive .* is not empty/);
    expect(existsSync(second.datadir)).toBe(false);
  });

  it('to a moment, of a store by its name', async () => {
    const own = await scopeEnv('then');
    const more = [`--source-store=${env.PGARC_STORE}`, '--target-time', moment.time];
    const { datadir, result } = await bootstrap('then', more, { env: own });
    expect(result.code, result.stderr).toBe(0);
    // With the hot standby off, as Patroni starts it: then it may not pause.
    const server = await startPostgres({ dataDir: datadir, env: own, settings: { hot_standby: 'off' } });
    expectMoment(await readLedger(server));
    await server.stop();
  });

  it('is refused when it would archive into its source', async () => {
    const before = await snapshot('main');
    for (const store of ['s3://backups/backups/main/wal', 's3://backups/backups/main/wal/copy']) {
      const own = { ...(await scopeEnv('copy')), PGARC_STORE: store };
      const { datadir, result } = await bootstrap('copy', [`--source-store=${env.PGARC_STORE}`], {
        env: own,
      });
      expect(result.code, result.stderr).toBe(4);
      expect(result.stderr).toMatch(/within the archive/);
      expect(existsSync(datadir)).toBe(false);
    }
    expect(await snapshot('main')).toEqual(before);
  });
});

describe('the same scope after it was lost', () => {
  it('with recovery settings by Patroni: the target chooses the backup, and nothing is written of it', async () => {
    const { datadir, result } = await bootstrap('main', ['--raw', '--target-time', moment.time], { env });
    expect(result.code, result.stderr).toBe(0);
    expect(existsSync(join(datadir, 'recovery.signal'))).toBe(false);
    // What Patroni writes of its recovery_conf (config.py, write_recovery_conf), and starts with.
    const signal = join(datadir, 'recovery.signal');
    await writeFile(signal, '');
    giveAway(signal);
    const settings = {
      restore_command: `${PGARC} wal-fetch %f "%p"`,
      recovery_target_time: moment.time,
      recovery_target_timeline: 'latest',
      recovery_target_action: 'promote',
      hot_standby: 'off',
    };
    const server = await startPostgres({ dataDir: datadir, env, settings });
    expectMoment(await readLedger(server));
    await server.stop();
  });

  it('refuses a target that cannot be reached, before anything is copied, with and without --raw', async () => {
    for (const raw of [[], ['--raw']]) {
      const more = [...raw, '--target-time', '2020-01-01 00:00:00+00'];
      const { datadir, result } = await bootstrap('main', more, { env });
      expect(result.code, result.stderr).toBe(9);
      expect(existsSync(datadir)).toBe(false);
    }
  });

  it('goes to the newest moment, on a new timeline in the same archive, also after it was killed half-way', async () => {
    const datadir = await makeRestoreTarget();
    const args = ['bootstrap', '--scope=main', `--datadir=${datadir}`];
    const { killAt } = await import('../support/kill.ts');
    await killAt(args, () => existsSync(join(datadir, 'base')), { env });
    if (existsSync(join(datadir, 'global/pg_control'))) await rm(datadir, { recursive: true });
    const result = await mustRunPgarc(args, { env });
    expect(result.stdout).toMatch(/^restored base_/);
    const server = await startRestored(datadir, env, {
      archive: true,
      // Patroni's settings go before those of the file.
      settings: { archive_command: `${PGARC} wal-push %p` },
    });
    expect(await readLedger(server)).toEqual({ last, whole: true });
    await server.query('CREATE TABLE after AS SELECT 1 AS a');
    await server.archiveAll();
    const keys = await minio.keys('backups/main/wal/wal_005/');
    await waitFor(() => keys.some((key) => key.includes('/00000002.history')), { what: 'the new timeline' });
    expect(keys.some((key) => /\/00000002[0-9A-F]{16}\./.test(key))).toBe(true);
    await server.stop();
  });

  it('finds the scope in Patroni’s argument when the environment has none', async () => {
    const { PGARC_STORE: _, PATRONI_SCOPE: __, ...rest } = env;
    const own = { ...rest, WAL_S3_BUCKET: 'backups' };
    const { result } = await bootstrap('main', [], { env: own });
    expect(result.code, result.stderr).toBe(0);
  });
});
