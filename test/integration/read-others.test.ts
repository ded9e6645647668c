import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { copySample, readSampleValues, SAMPLE_DELTA, SAMPLE_END, SAMPLE_FULL } from './sample.ts';
import { backUpAsWalgRemote } from './walg-remote.ts';

async function restore(store: string, name: string, options: string[] = []): Promise<TestPostgres> {
  const data = join(await makeTemporaryFolder('fetch'), 'data');
  const env = { PGARC_STORE: `file://${store}` };
  await mustRunPgarc(['backup-fetch', data, name, ...options], { env });
  const server = await startPostgres({ dataDir: data });
  await waitFor(async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false', {
    what: 'the end of recovery',
  });
  return server;
}

function restoreSample(store: string, name: string): Promise<TestPostgres> {
  return restore(store, name, ['--tablespace-root', join(store, '../ts')]);
}

/** Packs every object of the sample with another tool, as WAL-G would have with other settings. */
async function repack(extension: string, command: string): Promise<string> {
  const store = await copySample();
  const suffix = extension === '' ? '' : `.${extension}`;
  const script = `find "$1" -name '*.lz4' | while read -r f; do lz4 -dqc "$f" | ${command} > "\${f%.lz4}${suffix}" && rm "$f"; done`;
  await mustRun('sh', ['-ec', script, 'repack', store]);
  // The lists name the tars.
  for (const name of [SAMPLE_FULL, SAMPLE_DELTA]) {
    const file = join(store, `basebackups_005/${name}/files_metadata.json`);
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('.tar.lz4', `.tar${suffix}`));
  }
  return store;
}

describe('backups that WAL-G wrote', () => {
  it.each([
    ['zst', 'zstd -qc'],
    ['gz', 'gzip -c'],
    ['', 'cat'],
  ])('restores full and delta with the extension "%s"', async (extension, command) => {
    const store = await repack(extension, command);
    const server = await restoreSample(store, SAMPLE_DELTA);
    expect(await readSampleValues(server)).toBe(SAMPLE_END);
    await mustRunPgarc(['verify'], { env: { PGARC_STORE: `file://${store}` } });
  });

  it('restores one without files metadata', async () => {
    const store = await copySample();
    await rm(join(store, `basebackups_005/${SAMPLE_FULL}/files_metadata.json`));
    expect(await readSampleValues(await restoreSample(store, SAMPLE_FULL))).toBe(SAMPLE_END);
  });
});

describe('a backup that WAL-G took through a replication connection', () => {
  it('restores it with a tablespace, listed or not, and misses what is missing', async () => {
    const store = await makeOwnedDirectory(join(await makeTemporaryFolder('remote'), 'store'));
    const tablespace = await makeOwnedDirectory(join(store, '../ts-original'));
    const env = { PGARC_STORE: `file://${store}` };
    const server = await startPostgres({ archive: true, env });
    await server.query(`CREATE TABLESPACE ts LOCATION '${tablespace}'`);
    await server.query('CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 5000) i');
    await server.query('CREATE TABLE u TABLESPACE ts AS SELECT i FROM generate_series(1, 700) i');
    const oid = String(await server.value("SELECT oid FROM pg_tablespace WHERE spcname = 'ts'"));
    const { name, tars } = await backUpAsWalgRemote(server, store, { [oid]: tablespace });
    await server.query('INSERT INTO t SELECT i, md5(i::text) FROM generate_series(5001, 6000) i');
    await server.archiveAll();
    const sum = "SELECT md5(string_agg(t::text, '|' ORDER BY i)) FROM t";
    const expected = await server.value(sum);
    await server.kill();
    await rm(tablespace, { recursive: true });

    await mustRunPgarc(['verify'], { env });
    const options = ['--tablespace-map', `${tablespace}=${store}/../elsewhere`];
    const restored = await restore(store, 'LATEST', options);
    expect(await restored.value(sum)).toBe(expected);
    expect(await restored.value('SELECT count(*) FROM u')).toBe('700');
    await restored.tool('pg_amcheck', ['--install-missing', '--all']);

    /** The restore says the same as verify: 8, and what is wrong. */
    const expectRefused = async (reason: string) => {
      const data = join(await makeTemporaryFolder('fetch'), 'data');
      const root = ['--tablespace-root', `${data}-ts`];
      const fetched = await runPgarc(['backup-fetch', data, name, '--raw', ...root], { env });
      expect([fetched.code, fetched.stderr]).toEqual([8, expect.stringContaining(reason)]);
      const verified = await runPgarc(['verify'], { env });
      expect([verified.code, verified.stdout + verified.stderr]).toEqual([
        8,
        expect.stringContaining(reason),
      ]);
    };
    const without = async (tar: string, reason: string) => {
      await rename(join(tars, tar), join(store, '../aside'));
      await expectRefused(reason);
      await rename(join(store, '../aside'), join(tars, tar));
    };
    const parts = (await readdir(tars)).filter((tar) => tar.startsWith('part_')).sort();
    expect(parts.length).toBeGreaterThan(2);
    await without(parts[1]!, parts[1]!);
    await without(parts.at(-1)!, 'lacks');
    await without('pg_control.tar.lz4', 'pg_control.tar.lz4');

    await rm(join(store, `basebackups_005/${name}/files_metadata.json`));
    await mustRunPgarc(['verify'], { env });
    const data = join(await makeTemporaryFolder('fetch'), 'data');
    await mustRunPgarc(['backup-fetch', data, name, '--raw', '--tablespace-root', `${data}-ts`], { env });
    expect(await readFile(join(data, 'backup_label'), 'utf8')).toContain('START WAL LOCATION');
    await without(parts[1]!, parts[1]!);
    await without(parts.at(-1)!, 'lacks the second global/pg_control');
    await without(parts[0]!, parts[0]!);
  });
});

describe('a backup in the form of WAL-E', () => {
  it('restores it with tablespace and lzo WAL, made by nothing but tar and lzop', async () => {
    const folder = await makeOwnedDirectory(join(await makeTemporaryFolder('wale'), 'store'));
    const wal = await makeOwnedDirectory(join(folder, 'wal_005'));
    const tablespace = await makeOwnedDirectory(join(folder, '../ts-original'));
    const server = await startPostgres({
      settings: {
        archive_mode: 'on',
        archive_command: `lzop -c %p > ${wal}/.part && mv ${wal}/.part ${wal}/%f.lzo`,
      },
    });
    await server.query(`CREATE TABLESPACE ts LOCATION '${tablespace}'`);
    await server.query('CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 5000) i');
    await server.query('CREATE TABLE u TABLESPACE ts AS SELECT i FROM generate_series(1, 700) i');
    const backup = await backUpAsWale(server, folder, tablespace);
    await server.query('INSERT INTO t SELECT i, md5(i::text) FROM generate_series(5001, 6000) i');
    await server.archiveAll();
    const sum = "SELECT md5(string_agg(t::text, '|' ORDER BY i)) FROM t";
    const expected = await server.value(sum);
    await server.kill();
    await rm(tablespace, { recursive: true });

    const env = { PGARC_STORE: `file://${folder}` };
    const list = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    expect(list.backups).toEqual([expect.objectContaining({ name: backup, kind: 'wal-e', usable: true })]);
    await mustRunPgarc(['verify'], { env });
    const restored = await restore(folder, 'LATEST', [
      '--tablespace-map',
      `${tablespace}=${folder}/../elsewhere`,
    ]);
    expect(await restored.value(sum)).toBe(expected);
    expect(await restored.value('SELECT count(*) FROM u')).toBe('700');
    await restored.tool('pg_amcheck', ['--install-missing', '--all']);
  });
});

/** Takes a backup step by step as WAL-E does: relative names, parts from 0, label and pg_control in a part. */
async function backUpAsWale(server: TestPostgres, store: string, tablespace: string): Promise<string> {
  const { Client } = (await import('pg')).default;
  const client = new Client({ host: server.socketDir, port: server.port, user: 'postgres' });
  await client.connect();
  const place = 'file_name, file_offset FROM pg_walfile_name_offset';
  const start = (await client.query(`SELECT ${place}(pg_backup_start('wal-e', true))`)).rows[0];
  const name = `base_${start.file_name}_${String(start.file_offset).padStart(8, '0')}`;
  const parts = await makeOwnedDirectory(join(store, 'basebackups_005', name, 'tar_partitions'));
  const oid = (await client.query("SELECT oid FROM pg_tablespace WHERE spcname = 'ts'")).rows[0].oid;

  const exclude = ['pg_wal/*', 'pg_replslot/*', 'postmaster.pid', 'postmaster.opts', 'pg_tblspc/*'];
  const pack = (part: number, args: string) =>
    mustRun('sh', [
      '-ec',
      `tar -c ${args} | lzop -c > ${parts}/part_${String(part).padStart(8, '0')}.tar.lzo`,
    ]);
  const patterns = exclude.map((pattern) => `--exclude='./${pattern}' --exclude='${pattern}'`).join(' ');
  const names = (await readdir(server.dataDir)).filter((one) => one !== 'base' && !exclude.includes(one));
  await pack(0, `-C ${server.dataDir} ${patterns} ${names.join(' ')}`);
  await pack(1, `-C ${server.dataDir} base`);
  await pack(
    2,
    `-C ${tablespace} --transform='s,^,pg_tblspc/${oid}/,' ${(await readdir(tablespace)).join(' ')}`,
  );

  const stop = (await client.query('SELECT * FROM pg_backup_stop()')).rows[0];
  const end = (await client.query(`SELECT ${place}($1::pg_lsn)`, [stop.lsn])).rows[0];
  await client.end();
  const label = await makeOwnedDirectory(join(store, '../label'));
  await writeFile(join(label, 'backup_label'), stop.labelfile);
  await writeFile(join(label, 'tablespace_map'), stop.spcmapfile);
  await pack(3, `-C ${label} backup_label tablespace_map`);
  const spec = {
    base_prefix: server.dataDir,
    tablespaces: [String(oid)],
    [oid]: { loc: tablespace, link: `pg_tblspc/${oid}` },
  };
  const sentinel = {
    wal_segment_backup_stop: end.file_name,
    wal_segment_offset_backup_stop: String(end.file_offset).padStart(8, '0'),
    expanded_size_bytes: 1000,
    spec,
  };
  await writeFile(join(store, 'basebackups_005', name, 'extended_version.txt'), 'PostgreSQL 15');
  await writeFile(
    join(store, 'basebackups_005', `${name}_backup_stop_sentinel.json`),
    JSON.stringify(sentinel),
  );
  return name;
}
