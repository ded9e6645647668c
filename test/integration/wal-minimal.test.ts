import { expect, test } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { type PostgresOptions, startPostgres } from '../support/postgres.ts';
import type { PostgresVersion } from '../support/postgres-binaries.ts';
import { makeRestoreTarget, restore, startRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';

/** A bulk load with wal_level = minimal, between two restarts, leaves no gap in the names of the archive. */
test.each([13, 15, 17, 18] as PostgresVersion[])(
  'WAL of PostgreSQL %i with wal_level = minimal',
  async (version) => {
    const store = await makeStore('folder');
    const archiving: PostgresOptions = { version, walSegmentSize: 1, archive: true, env: store.env };
    let server = await startPostgres(archiving);
    const { dataDir } = server;
    await server.query('CREATE TABLE t AS SELECT 1 AS i');
    await mustRunPgarc(['backup-push', dataDir], { env: { ...store.env, ...server.env } });
    await server.query('INSERT INTO t VALUES (2)');
    await server.stop();

    server = await startPostgres({
      version,
      dataDir,
      settings: { wal_level: 'minimal', archive_mode: 'off', max_wal_senders: 0 },
    });
    await server.query('CREATE TABLE bulk AS SELECT generate_series(1, 1000) AS i');
    await server.stop();

    server = await startPostgres({ ...archiving, dataDir });
    for (let i = 3; i < 8; i++) {
      await server.query('INSERT INTO t VALUES ($1)', [i]);
      await server.archiveAll();
    }
    const { env } = store;
    const verified = await runPgarc(['wal-verify', '--records'], { env });
    expect(verified.code).toBe(8);
    const [said, lsn] =
      /WAL from LSN (\S+) on was written with wal_level = minimal/.exec(verified.stdout) ?? [];
    expect(said).toBeDefined();
    expect(await server.log()).toContain(`${said}: no backup from before leads past that`);

    const fetch = async (...args: string[]) =>
      runPgarc(['backup-fetch', await makeRestoreTarget(), 'LATEST', ...args], { env });
    const whole = await fetch();
    expect(whole).toMatchObject({ code: 8, stderr: expect.stringContaining(`${said}, and recovery stops`) });
    const behind = await fetch('--target-lsn', lsn!);
    expect(behind).toMatchObject({ code: 9, stderr: expect.stringContaining(said!) });

    // What it advises leads as far as one can get.
    const [, last] = /--target-lsn (\S+)\./.exec(whole.stderr) ?? [];
    const { dataDir: before } = await restore(env, ['--target-lsn', last!, '--target-action', 'promote']);
    const restored = await startRestored(before, env, { version });
    expect(await restored.value("SELECT string_agg(i::text, ' ' ORDER BY i) FROM t")).toBe('1 2');
    await restored.stop();

    await mustRunPgarc(['backup-push', dataDir], { env: { ...env, ...server.env } });
    expect((await fetch()).code).toBe(0);
    await server.stop();
  },
);
