import { open, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FilesMetadata, Sentinel } from '../../src/backup/format/sentinel.ts';
import { pushBackupHere } from '../../src/backup/push/push-here.ts';
import { openEncoder } from '../../src/codec/codecs.ts';
import { parseJson } from '../../src/json.ts';
import { openStore } from '../../src/store/open.ts';
import type { ObjectStore } from '../../src/store/store.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { freePort } from '../support/ports.ts';
import { startPostgres, startStandby, type TestPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeStore, STORE_KINDS, type TestStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { storeSettings } from '../unit/store/settings.ts';

interface Pushed {
  name: string;
  startLsn: string;
  uncompressedSize: number;
  storedSize: number;
  files: number;
  damagedPages: { file: string; block: number }[];
  leftOut: unknown[];
}

async function push(server: TestPostgres, store: TestStore, ...args: string[]): Promise<Pushed> {
  const env = { ...store.env, ...server.env };
  return JSON.parse((await mustRunPgarc(['backup-push', server.dataDir, '--json', ...args], { env })).stdout);
}

/** Unpacks a backup with nothing but lz4 or zstd, and tar. @returns names of all members */
async function unpack(store: TestStore, backup: string, target: string): Promise<string[]> {
  const names: string[] = [];
  for (const key of await store.keys(`basebackups_005/${backup}/tar_partitions/`)) {
    const archive = join(await makeTemporaryFolder('part'), key.split('/').at(-1)!);
    await writeFile(archive, await store.read(key));
    const unzip = key.endsWith('.zst') ? 'zstd' : 'lz4';
    const plain = archive.replace(/\.[^.]+$/, '');
    const output = unzip === 'zstd' ? ['-o', plain] : [plain];
    await mustRun(unzip, ['-dqf', archive, ...output], { asPostgres: false });
    names.push(...(await mustRun('tar', ['-tPf', plain], { asPostgres: false })).trim().split('\n'));
    await mustRun('tar', ['-xf', plain, '-C', target], { asPostgres: false });
  }
  return names.map((name) => (name.length > 1 ? name.replace(/\/$/, '') : name));
}

describe.each(STORE_KINDS)('backup-push to %s', (kind) => {
  it('writes what lz4, tar and pg_verifybackup read', async () => {
    const store = await makeStore(kind);
    const server = await startPostgres({ archive: true, env: store.env });
    await server.query('create table t as select i, repeat(i::text, 50) from generate_series(1, 50000) i');
    await server.query('create unlogged table u as select generate_series(1, 1000)');
    const pushed = await push(server, store, '--permanent');

    const keys = await store.keys('basebackups_005/');
    expect(keys).toContain(`basebackups_005/${pushed.name}_backup_stop_sentinel.json`);
    expect(await store.keys('pgarc/running/')).toEqual([]);
    const read = async <T>(key: string) => parseJson((await store.read(key)).toString()) as T;
    const sentinel = await read<Sentinel>(`basebackups_005/${pushed.name}_backup_stop_sentinel.json`);
    expect(sentinel).toMatchObject({
      PgVersion: Number(await server.value('show server_version_num')),
      SystemIdentifier: BigInt(await server.value('select system_identifier from pg_control_system()')),
      UncompressedSize: pushed.uncompressedSize,
      CompressedSize: pushed.storedSize,
      DataDir: server.dataDir,
      IsPermanent: true,
      Version: 2,
    });
    expect(sentinel).not.toHaveProperty('Spec');

    const target = await makeTemporaryFolder('unpacked');
    const names = await unpack(store, pushed.name, target);
    const { Files, TarFileSets } = await read<FilesMetadata>(
      `basebackups_005/${pushed.name}/files_metadata.json`,
    );
    const apart = ['/global/pg_control', 'backup_label', 'tablespace_map'];
    expect(names.filter((name) => !apart.includes(name)).sort()).toEqual(Object.keys(Files).sort());
    expect(new Set(names).size).toBe(names.length);
    expect(TarFileSets['backup_label.tar.lz4']).toEqual(['tablespace_map', 'backup_label']);
    const listed = Object.entries(TarFileSets)
      .filter(([tar]) => tar.startsWith('part_'))
      .flatMap(([, all]) => all);
    expect(listed.sort()).toEqual(Object.keys(Files).sort());
    const unlogged = await server.value("select pg_relation_filepath('u')");
    expect(names).toContain(`/${unlogged}_init`);
    expect(names).not.toContain(`/${unlogged}`);

    await writeFile(
      join(target, 'backup_manifest'),
      await store.read(`basebackups_005/${pushed.name}/backup_manifest`),
    );
    expect(await server.tool('pg_verifybackup', ['-n', target], { asPostgres: false })).toContain(
      'successfully verified',
    );
  });
});

describe('backup-push', () => {
  let store: TestStore;
  let server: TestPostgres;
  beforeAll(async () => {
    store = await makeStore('folder');
    server = await startPostgres({ archive: true, env: store.env });
    await server.query('create table t as select generate_series(1, 100000) i');
    await server.query('checkpoint');
  });

  const run = (args: string[], extra: Record<string, string> = {}) =>
    runPgarc(['backup-push', ...args], { env: { ...store.env, ...server.env, ...extra } });

  it('compresses with zstd, and finds the server by its data directory', async () => {
    const pushed = JSON.parse(
      (
        await mustRunPgarc(['backup-push', server.dataDir, '--json', '--compression-method', 'zstd'], {
          env: { ...store.env, PGUSER: 'postgres' },
        })
      ).stdout,
    );
    const target = await makeTemporaryFolder('unpacked');
    expect(await unpack(store, pushed.name, target)).toContain('/PG_VERSION');
  });

  it('follows a tablespace', async () => {
    const space = await makeOwnedDirectory(join(await makeTemporaryFolder('space'), 'ts1'));
    await server.query(`create tablespace ts1 location '${space}'`);
    await server.query('create table s tablespace ts1 as select generate_series(1, 1000) i');
    const { name } = await push(server, store);
    const oid = await server.value("select oid from pg_tablespace where spcname = 'ts1'");
    const sentinel = parseJson(
      (await store.read(`basebackups_005/${name}_backup_stop_sentinel.json`)).toString(),
    );
    expect(sentinel).toMatchObject({
      Spec: {
        base_prefix: server.dataDir,
        tablespaces: [oid],
        [oid]: { loc: space, link: `pg_tblspc/${oid}` },
      },
    });
    const target = await makeTemporaryFolder('unpacked');
    const names = await unpack(store, name, target);
    expect(names.some((member) => member.startsWith(`/pg_tblspc/${oid}/PG_15_`))).toBe(true);
    expect((await stat(join(target, 'tablespace_map'))).size).toBeGreaterThan(0);
    await writeFile(
      join(target, 'backup_manifest'),
      await store.read(`basebackups_005/${name}/backup_manifest`),
    );
    await server.tool('pg_verifybackup', ['-n', target], { asPostgres: false });
    // A standby on this host could not have a tablespace in the same place.
    await server.query('drop table s');
    await server.query('drop tablespace ts1');
  });

  it('takes a configuration file as it is when its turn comes', async () => {
    await server.query("alter system set work_mem = '123MB'");
    await server.query("alter system set application_name = 'before'");
    const settings = storeSettings({
      store: store.env.PGARC_STORE!,
      spool: store.env.PGARC_SPOOL!,
      pgdata: server.dataDir,
      pgHost: server.env.PGHOST,
      pgPort: Number(server.env.PGPORT),
      pgUser: 'postgres',
    });
    const real = await openStore(settings, () => undefined);
    // The walk is over when the first tar is asked for, and nothing of it is read yet.
    const putStream: ObjectStore['putStream'] = async (key, body, options) => {
      if (key.includes('part_001')) await server.query('alter system reset all');
      return real.putStream(key, body, options);
    };
    const slow = new Proxy(real, {
      get(target, name) {
        const value: unknown = name === 'putStream' ? putStream : Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const deps = { settings, store: slow, encoder: await openEncoder('lz4'), emit: () => undefined };
    const { name } = await pushBackupHere(deps, { permanent: false }, new AbortController().signal);
    const target = await makeTemporaryFolder('unpacked');
    await unpack(store, name, target);
    const file = 'postgresql.auto.conf';
    expect(await readFile(join(target, file))).toEqual(await readFile(join(server.dataDir, file)));
    await writeFile(
      join(target, 'backup_manifest'),
      await store.read(`basebackups_005/${name}/backup_manifest`),
    );
    await server.tool('pg_verifybackup', ['-n', target], { asPostgres: false });
  });

  it('refuses the data directory of another server, and one that is none', async () => {
    const other = await startPostgres({ env: store.env });
    const before = await store.keys();
    const wrong = await run([other.dataDir]);
    expect([wrong.code, wrong.stderr]).toEqual([4, expect.stringContaining('system identifier')]);
    const none = await run([await makeTemporaryFolder('none')]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('not a PostgreSQL data directory')]);
    expect(await store.keys()).toEqual(before);
  });

  it('refuses a standby’s directory beside the primary that it is connected to', async () => {
    const standby = await startStandby(server, { env: store.env });
    const result = await run([standby.dataDir]);
    expect([result.code, result.stderr]).toEqual([4, expect.stringContaining('is not the data directory')]);
  });

  it('says where it looked for a server that is not there', async () => {
    const port = String(await freePort());
    const result = await run([server.dataDir], {
      PGHOST: '127.0.0.1',
      PGPORT: port,
      PGUSER: 'me',
      PGPASSWORD: 'hush',
    });
    expect(result.code).toBe(7);
    expect(result.stderr).toMatch(new RegExp(`127.0.0.1:${port} as user "me"`));
    expect(result.stderr).not.toContain('hush');
  });

  it('runs once at a time', async () => {
    await server.query('begin; select pg_try_advisory_lock(1885823346, 1)');
    const result = await run([server.dataDir]);
    await server.query('select pg_advisory_unlock_all()');
    expect([result.code, result.stderr]).toEqual([6, expect.stringContaining('another backup')]);
  });

  it('reports a damaged page, stores the backup and keeps a note of it', async () => {
    await server.query('create table d as select generate_series(1, 10000) i');
    await server.query('checkpoint');
    const path = await server.value("select pg_relation_filepath('d')");
    const file = await open(join(server.dataDir, path), 'r+');
    await file.write(Buffer.from('broken'), 0, 6, 3 * 8192 + 5000);
    await file.close();
    const result = await run([server.dataDir, '--json']);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(`/${path}`);
    const pushed: Pushed = JSON.parse(result.stdout);
    expect(pushed.damagedPages).toMatchObject([{ file: `/${path}`, block: 3 }]);
    const note = JSON.parse((await store.read(`basebackups_005/${pushed.name}/pgarc.json`)).toString());
    expect(note.pageChecksums).toEqual({ checked: true, damaged: pushed.damagedPages });
    await server.query('drop table d');
  });
});

describe('backup-push of a data directory with a link to a configuration file', () => {
  it('ends with a warning, and so does the restore', async () => {
    const store = await makeStore('folder');
    const server = await startPostgres({ archive: true, env: store.env });
    const outside = join(await makeTemporaryFolder('etc'), 'my.conf');
    await writeFile(outside, '');
    await symlink(outside, join(server.dataDir, 'my.conf'));
    const env = { ...store.env, ...server.env };
    const result = await runPgarc(['backup-push', server.dataDir, '--json'], { env });
    expect([result.code, result.stderr]).toEqual([3, expect.stringContaining('/my.conf')]);
    const pushed: Pushed = JSON.parse(result.stdout);
    const leftOut = [{ path: '/my.conf', kind: 'symlink', target: outside }];
    expect(pushed.leftOut).toEqual(leftOut);
    const key = `basebackups_005/${pushed.name}/pgarc.json`;
    const note = JSON.parse((await store.read(key)).toString());
    expect(note.leftOut).toEqual(leftOut);

    const restore = async () =>
      runPgarc(['backup-fetch', join(await makeTemporaryFolder('restored'), 'data'), 'LATEST'], {
        env: store.env,
      });
    const restored = await restore();
    expect([restored.code, restored.stderr]).toEqual([
      3,
      expect.stringContaining(`lacks my.conf (a symbolic link to ${outside})`),
    ]);
    // As an earlier pgarc wrote it.
    const { leftOut: _, ...earlier } = note;
    await store.write(key, Buffer.from(JSON.stringify(earlier)));
    expect((await restore()).code).toBe(0);
  });
});

describe('backup-push of a server that does not archive', () => {
  it('is refused, or ends within the archive timeout, and leaves nothing', async () => {
    const store = await makeStore('folder');
    const off = await startPostgres({ env: store.env });
    const refused = await runPgarc(['backup-push', off.dataDir], { env: { ...store.env, ...off.env } });
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('archive_mode is off')]);
    await off.stop();

    const broken = await startPostgres({ settings: { archive_mode: 'on', archive_command: 'false' } });
    const result = await runPgarc(['backup-push', broken.dataDir, '--archive-timeout', '2s'], {
      env: { ...(await makeStore('folder')).env, ...broken.env },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/did not arrive .* within 2 s: [0-9A-F]{24}/);
    expect(await store.keys('basebackups_005/')).toEqual([]);
  });
});

describe('backup-push of a server that archives to another store', () => {
  it('says that it does', async () => {
    const server = await startPostgres({ archive: true, env: (await makeStore('folder')).env });
    const result = await runPgarc(['backup-push', server.dataDir, '--archive-timeout', '20s'], {
      env: { ...(await makeStore('folder')).env, ...server.env },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /did not arrive .* the server did archive .*\nhint: .*stores somewhere else/,
    );
  });
});

describe('backup-push of a standby', () => {
  it('does not overwrite a backup that starts in the same segment', async () => {
    const store = await makeStore('folder');
    const primary = await startPostgres({ archive: true, env: store.env, walSegmentSize: 1 });
    const standby = await startStandby(primary, { env: store.env });
    await primary.query('checkpoint');
    await primary.archiveAll();
    const first = await push(standby, store, '--archive-timeout', '2min');
    const kept = await store.keys(`basebackups_005/${first.name}`);
    const again = await runPgarc(['backup-push', standby.dataDir], { env: { ...store.env, ...standby.env } });
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining(first.name)]);
    expect(await store.keys(`basebackups_005/${first.name}`)).toEqual(kept);
  });
});

/** A cluster, and a copy of it made while it was stopped, which run beside each other. */
async function startCopies(store: TestStore, ofCopy = store) {
  const first = await startPostgres({ archive: true, env: store.env });
  await first.query('create table t as select generate_series(1, 1000) i');
  await first.stop();
  const dataDir = join(await makeTemporaryFolder('copy'), 'data');
  await mustRun('cp', ['-a', first.dataDir, dataDir], { asPostgres: false });
  await first.start();
  const copy = await startPostgres({ archive: true, env: ofCopy.env, dataDir });
  return { first, copy };
}

async function writeSegments(server: TestPostgres): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await server.query('insert into t select generate_series(1, 1000)');
    await server.archiveAll();
  }
}

describe('backup-push of a copy of the cluster that archives under the same prefix', () => {
  it('does not take the other one’s WAL for its own, and leaves nothing', async () => {
    const store = await makeStore('folder');
    const { first, copy } = await startCopies(store);
    await push(first, store);
    await writeSegments(first);
    const before = await store.keys('basebackups_005/');
    const result = await runPgarc(['backup-push', copy.dataDir], { env: { ...store.env, ...copy.env } });
    expect([result.code, result.stderr]).toEqual([
      1,
      expect.stringContaining(`not that of ${copy.dataDir} on `),
    ]);
    expect(result.stderr).toMatch(/from byte \d+ on; .* stored backups there\nhint: A copy of this cluster/);
    expect(result.stderr).toContain(`${first.dataDir} on `);
    expect(await store.keys('basebackups_005/')).toEqual(before);
    expect(await store.keys('pgarc/running/')).toEqual([]);

    const checked = await runPgarc(['check', '--json'], {
      env: { ...store.env, ...copy.env, PGDATA: copy.dataDir },
    });
    const { findings } = JSON.parse(checked.stdout) as { findings: { name: string }[] };
    expect(findings.find(({ name }) => name === 'round-trip')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining("another server's"),
    });
  });
  it('is told of by verify where an earlier pgarc took it', async () => {
    const [store, other] = [await makeStore('folder'), await makeStore('folder')];
    const { first, copy } = await startCopies(store, other);
    const { name } = await push(first, store);
    await writeSegments(copy);
    const verify = () => runPgarc(['verify', name], { env: store.env });
    expect((await verify()).code).toBe(0);
    const key = `wal_005/${name.slice('base_'.length)}.lz4`;
    await store.write(key, await other.read(key));
    const result = await verify();
    expect([result.code, result.stdout]).toEqual([
      8,
      expect.stringMatching(/FAILED .*: has no checkpoint record at .* it is not of the server/),
    ]);
  });
});
