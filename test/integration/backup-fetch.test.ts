import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { copySample, readSampleValues, SAMPLE_DELTA, SAMPLE_END, SAMPLE_FULL } from './sample.ts';

let store: string;
let env: Record<string, string>;
beforeAll(async () => {
  store = await copySample();
  env = { PGARC_STORE: `file://${store}` };
});

async function makeTarget() {
  const folder = await makeTemporaryFolder('fetch');
  return { folder, data: join(folder, 'data'), root: join(folder, 'ts') };
}

async function restore(args: string[]) {
  const target = await makeTarget();
  const result = await mustRunPgarc(
    ['backup-fetch', target.data, ...args, '--tablespace-root', target.root],
    {
      env,
    },
  );
  return { ...target, result };
}

async function untilRecovered(server: Awaited<ReturnType<typeof startPostgres>>): Promise<void> {
  await waitFor(async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false', {
    what: 'the end of recovery',
  });
}

describe('backup-fetch of a tree that WAL-G wrote', () => {
  it.each([SAMPLE_FULL, 'LATEST'])('restores %s and replays to the end of the archive', async (name) => {
    const { data, root, result } = await restore([name]);
    expect(result.stdout).toContain(`pg_ctl -D ${data} start`);
    expect(result.stdout).toContain(`tablespace 16384 is in ${root}/16384`);
    const server = await startPostgres({ dataDir: data });
    await untilRecovered(server);
    expect(await readSampleValues(server)).toBe(SAMPLE_END);
    expect(await server.value('SELECT pg_tablespace_location(16384)')).toBe(join(root, '16384'));
    await server.tool('pg_amcheck', ['--install-missing', '--all']);
    await server.stop();
    expect(await server.tool('pg_checksums', ['-D', data])).toMatch(/Bad checksums: {2}0/);
  });

  it.each([
    [SAMPLE_FULL, '20000', '5000'],
    [SAMPLE_DELTA, '22000', '5001'],
  ])('stops %s where it is consistent, and goes on when told', async (name, t, u) => {
    const { data, result } = await restore([name, '--target', 'immediate']);
    expect(result.stdout).toContain('select pg_wal_replay_resume()');
    const server = await startPostgres({ dataDir: data });
    expect(await server.value('SELECT pg_get_wal_replay_pause_state()')).toBe('paused');
    expect(await server.value('SELECT count(*) FROM t')).toBe(t);
    expect(await server.value('SELECT count(*) FROM u')).toBe(u);
    await server.query('SELECT pg_wal_replay_resume()');
    await untilRecovered(server);
    expect(await server.value('SELECT count(*) FROM t')).toBe(t);
  });

  it('recovers as told whatever postgresql.conf says of recovery', async () => {
    const folder = await makeTemporaryFolder('inherited');
    const said = [
      'recovery_target_inclusive = off',
      "recovery_min_apply_delay = '7d'",
      'hot_standby = off',
      `recovery_end_command = 'touch ${folder}/ended'`,
      `archive_cleanup_command = 'touch ${folder}/cleaned'`,
    ];
    await chmod(folder, 0o777);
    const newest = JSON.parse((await restore(['LATEST', '--json'])).result.stdout).newest.time;
    const { data } = await restore(['LATEST', '--target-time', newest]);
    await appendFile(join(data, 'postgresql.conf'), `\n${said.join('\n')}\n`);
    const server = await startPostgres({ dataDir: data });
    await waitFor(async () => (await server.value('SELECT pg_get_wal_replay_pause_state()')) === 'paused', {
      what: 'the pause at the target',
    });
    expect(await readSampleValues(server)).toBe(SAMPLE_END);
    await server.query('CHECKPOINT');
    await server.query('SELECT pg_wal_replay_resume()');
    await untilRecovered(server);
    expect(await readdir(folder)).toEqual([]);
  });

  it('becomes a standby with --standby', async () => {
    const { data } = await restore(['LATEST', '--standby']);
    expect(await readdir(data)).toContain('standby.signal');
    const server = await startPostgres({ dataDir: data });
    await waitFor(async () => (await server.value('SELECT count(*) FROM t')) === '24000', {
      what: 'the replay',
    });
    expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
  });

  it('leaves recovery alone with --raw', async () => {
    const { data } = await restore(['LATEST', '--raw']);
    const names = await readdir(data);
    expect(names).not.toContain('recovery.signal');
    expect(names).toContain('backup_label');
    expect(await readFile(join(data, 'postgresql.auto.conf'), 'utf8')).not.toContain('restore_command');
  });

  it('says after --raw what makes the files a cluster', async () => {
    const { data, result } = await restore(['LATEST', '--raw']);
    const [, command] = /^ *(restore_command = .*)$/m.exec(result.stdout) ?? [];
    const [, signalFile] = /^ *touch (.*)$/m.exec(result.stdout) ?? [];
    await appendFile(join(data, 'postgresql.conf'), `${command}\n`);
    await writeFile(String(signalFile), '');
    const server = await startPostgres({ dataDir: data });
    await untilRecovered(server);
    expect(await readSampleValues(server)).toBe(SAMPLE_END);
  });

  it('does not promise a standby that has a target to go on as one', async () => {
    const { result } = await restore(['LATEST', '--standby', '--target', 'immediate']);
    expect(result.stdout).toContain('then it pauses');
    expect(result.stdout).toContain('select pg_wal_replay_resume()');
    expect(result.stdout).not.toContain('primary_conninfo');
  });

  it('keeps the modes that PostgreSQL wants', async () => {
    const { data, root } = await restore(['LATEST']);
    for (const path of [data, join(data, 'pg_wal/archive_status'), root, join(root, '16384')]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    expect((await stat(join(data, 'global/pg_control'))).mode & 0o777).toBe(0o600);
  });

  it('prints what it did as JSON', async () => {
    const { result } = await restore(['LATEST', '--json']);
    expect(JSON.parse(result.stdout)).toMatchObject({
      backup: SAMPLE_DELTA,
      basedOn: [SAMPLE_FULL],
      signalFile: 'recovery.signal',
      timeline: 1,
      newest: { lsn: expect.stringMatching(/^0\//) },
      warnings: [],
    });
  });
});

describe('backup-fetch refuses', () => {
  it('a directory that is not empty, and touches nothing', async () => {
    const { data } = await makeTarget();
    await makeOwnedDirectory(data);
    await writeFile(join(data, 'precious'), 'x');
    const result = await runPgarc(['backup-fetch', data, 'LATEST'], { env });
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining(`${data} is not empty`) });
    expect(await readdir(data)).toEqual(['precious']);
  });

  it('the directory of a running server', async () => {
    const server = await startPostgres();
    const result = await runPgarc(['backup-fetch', server.dataDir, 'LATEST'], { env });
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('a PostgreSQL server runs in') });
    expect(result.stderr).toContain('hint: Restore into another directory, or stop it');
  });

  it('a directory alone, and does not turn to the one of the settings', async () => {
    const server = await startPostgres();
    const withData = { ...env, PGDATA: server.dataDir };
    const result = await runPgarc(['backup-fetch', '/tmp/new one'], { env: withData });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('the name of a backup is missing: /tmp/new one is a directory');
    expect(result.stderr).toContain("pgarc backup-fetch '/tmp/new one' LATEST");
    const mistyped = await runPgarc(['backup-fetch', 'LATSET'], { env: withData });
    expect(mistyped.code).toBe(5);
    expect(mistyped.stderr).toContain(SAMPLE_DELTA);
    expect(mistyped.stderr).not.toContain('pg_ctl');
  });

  it('an unknown name, with those that exist', async () => {
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, 'base_000000010000000000000009'], { env });
    expect(result.code).toBe(5);
    expect(result.stderr).toContain(SAMPLE_DELTA);
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });

  it('a target outside the window, and names the newest moment', async () => {
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, 'LATEST', '--target-time', '2026-12-01 00:00:00Z'], {
      env,
    });
    expect(result.code).toBe(9);
    expect(result.stderr).toContain('2026-11-21T12:31:53.370381Z');
    const lsn = await runPgarc(['backup-fetch', data, SAMPLE_DELTA, '--target-lsn', '0/3000000'], { env });
    expect(lsn.code).toBe(9);
    expect(lsn.stderr).toContain(SAMPLE_FULL);
    const timeline = await runPgarc(['backup-fetch', data, 'LATEST', '--target-timeline', '7'], { env });
    expect(timeline).toMatchObject({ code: 9, stderr: expect.stringContaining('timeline 7') });
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });

  it('to follow a timeline that the newest backup does not lead to, and names one that does', async () => {
    const other = await copySample();
    // Left between the two backups: the delta lies on the dead end.
    await writeFile(join(other, 'wal_005/00000002.history'), '1\t0/4000000\tno recovery target specified\n');
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, 'LATEST'], {
      env: { PGARC_STORE: `file://${other}` },
    });
    expect(result.code).toBe(8);
    expect(result.stderr).toMatch(
      new RegExp(`hint: Backup ${SAMPLE_FULL} leads to timeline 2; --target-timeline`),
    );
  });

  it('to call an older backup the newest without a word', async () => {
    const other = await copySample();
    await writeFile(join(other, `basebackups_005/${SAMPLE_DELTA}_backup_stop_sentinel.json`), '{');
    const { data, root } = await makeTarget();
    const args = ['backup-fetch', data, 'LATEST', '--tablespace-root', root];
    const result = await runPgarc(args, { env: { PGARC_STORE: `file://${other}` } });
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(`${SAMPLE_DELTA} is newer and cannot be used`);
    expect(result.stdout).toContain(`restored ${SAMPLE_FULL}`);
  });

  it('a backup whose own WAL is not in the archive', async () => {
    const other = await copySample();
    await rm(join(other, 'wal_005/000000010000000000000004.lz4'));
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, SAMPLE_DELTA], {
      env: { PGARC_STORE: `file://${other}` },
    });
    expect(result.code).toBe(8);
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });

  it('a tablespace whose own place is taken, with the option to add', async () => {
    const other = await copySample();
    const { data, folder } = await makeTarget();
    const sentinel = join(other, `basebackups_005/${SAMPLE_FULL}_backup_stop_sentinel.json`);
    const taken = join(folder, 'taken');
    await mkdir(taken);
    await writeFile(join(taken, 'x'), '');
    const text = await readFile(sentinel, 'utf8');
    await writeFile(sentinel, text.replace('/var/lib/postgresql/sample/ts1', taken));
    // The label's tablespace_map still has the old place: the sentinel counts where it names one.
    const result = await runPgarc(['backup-fetch', data, SAMPLE_FULL], {
      env: { PGARC_STORE: `file://${other}` },
    });
    expect(result.code).toBe(4);
    expect(result.stderr).toContain('--tablespace-map 16384=/new/directory');
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });

  it.each([
    [['LATEST', '--target-time', 'soon'], '--target-time'],
    [['LATEST', '--target-lsn', '0/1', '--target-xid', '5'], 'one target only'],
    [['LATEST', '--raw', '--standby'], 'contradict'],
    [['LATEST', '--tablespace-map', 'x'], 'OLD=NEW'],
    [['LATEST', '--target-action', 'nap'], 'pause'],
  ])('wrong usage: %j', async (args, message) => {
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, ...args], { env });
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });
});
