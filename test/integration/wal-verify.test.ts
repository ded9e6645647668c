import { beforeAll, describe, expect, test } from 'vitest';
import { sentinelKey } from '../../src/backup/format/keys.ts';
import { formatJson } from '../../src/json.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { parseTimestamp } from '../../src/wal/timestamp.ts';
import { runPgarc } from '../support/pgarc.ts';
import { startPostgres, startStandby, type TestPostgres } from '../support/postgres.ts';
import { makeStore, STORE_KINDS, type TestStore } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

interface Gap {
  first: string;
  last: string;
  segments: number;
  place: string;
  insideWindow: boolean;
}

interface Report {
  ok: boolean;
  segmentSize: number;
  currentTimeline: number;
  timelines: { timeline: number; parent: number | null; live: boolean; segments: number; gaps: Gap[] }[];
  windows: {
    timeline: number;
    from: { lsn: string; time: string };
    to: { timeline: number; lsn: string; time: string };
    backups: string[];
  }[];
  brokenBackups: { name: string }[];
}

describe.each(STORE_KINDS)('wal-verify on a %s', (kind) => {
  let store: TestStore;
  let lastCommit: string;
  let endLsn: string;
  let startSegment: string;
  let stopSegment: string;

  async function verify(): Promise<{ code: number | null; report: Report }> {
    const { code, stdout, stderr } = await runPgarc(['wal-verify', '--json'], { env: store.env });
    if (stdout === '') throw new Error(stderr);
    return { code, report: JSON.parse(stdout) };
  }

  /** Takes a stored segment away for the time of `run`. */
  async function without(name: string, run: () => Promise<void>): Promise<void> {
    const key = `wal_005/${name}.lz4`;
    const bytes = await store.read(key);
    await store.remove(key);
    try {
      await run();
    } finally {
      await store.write(key, bytes);
    }
  }

  /** Writes WAL for some segments, on timeline 1 and, after a promotion, on timeline 2. */
  beforeAll(async () => {
    store = await makeStore(kind);
    const settings = { track_commit_timestamp: true, autovacuum: false };
    const primary = await startPostgres({ walSegmentSize: 1, archive: true, env: store.env, settings });
    await primary.query('CREATE TABLE t (id int, filler text)');
    await write(primary, 3);
    await addSentinel(primary);
    await write(primary, 3);
    const standby = await startStandby(primary, { archive: true, env: store.env, settings });
    await write(primary, 1);
    await primary.archiveAll();
    const end = await primary.value('SELECT pg_current_wal_lsn()');
    await waitFor(
      async () => (await standby.value('SELECT pg_last_wal_replay_lsn() >= $1', [end])) === 'true',
      {
        what: 'the standby to follow',
      },
    );
    await primary.stop();
    await standby.promote();
    await write(standby, 2);
    lastCommit = await standby.value(
      `SELECT to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM pg_last_committed_xact()`,
    );
    await standby.archiveAll();
    endLsn = await standby.value('SELECT pg_current_wal_lsn()');
    await standby.stop();
  });

  async function write(server: TestPostgres, segments: number): Promise<void> {
    for (let i = 0; i < segments; i++) {
      await server.query("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 500) i");
      await server.query('SELECT pg_switch_wal()');
    }
  }

  /** The part of a backup that makes it one, over a real start and stop. */
  async function addSentinel(server: TestPostgres): Promise<void> {
    const { default: pg } = await import('pg');
    const { PGHOST: host, PGPORT: port, PGUSER: user } = server.env;
    const client = new pg.Client({ host: host!, port: Number(port), user: user!, database: 'postgres' });
    await client.connect();
    const started = await client.query(
      "SELECT lsn::text, pg_walfile_name(lsn) AS name FROM pg_backup_start('x', true) lsn",
    );
    await client.query('SELECT pg_switch_wal()');
    const stopped = await client.query(
      'SELECT lsn::text, pg_walfile_name(lsn) AS name FROM pg_backup_stop(true)',
    );
    await client.end();
    const now = new Date().toISOString();
    startSegment = started.rows[0].name;
    stopSegment = stopped.rows[0].name;
    const sentinel = {
      LSN: parseLsn(started.rows[0].lsn),
      FinishLSN: parseLsn(stopped.rows[0].lsn),
      PgVersion: 150000,
      SystemIdentifier: 1,
      UncompressedSize: 1,
      CompressedSize: 1,
      StartTime: now,
      FinishTime: now,
    };
    await store.write(sentinelKey(`base_${startSegment}`), Buffer.from(formatJson(sentinel)));
  }

  test('tells the windows of both timelines and the last commit', async () => {
    const { code, report } = await verify();
    expect(code).toBe(0);
    expect(report).toMatchObject({
      ok: true,
      segmentSize: 2 ** 20,
      currentTimeline: 2,
      brokenBackups: [],
    });
    expect(
      report.timelines.map(({ timeline, parent, live, gaps }) => [timeline, parent, live, gaps.length]),
    ).toEqual([
      [1, null, true, 0],
      [2, 1, true, 0],
    ]);
    const window = report.windows.find(({ timeline }) => timeline === 2)!;
    expect(window.backups).toEqual([`base_${startSegment}`]);
    expect(parseTimestamp(window.to.time)).toBe(parseTimestamp(lastCommit));
    expect(parseLsn(window.to.lsn)! >= parseLsn(endLsn)!).toBe(true);
  });

  test('fails for a gap inside the window, and names it', async () => {
    const name =
      stopSegment.slice(0, 16) +
      (Number.parseInt(stopSegment.slice(16), 16) + 1).toString(16).toUpperCase().padStart(8, '0');
    await without(name, async () => {
      const { code, report } = await verify();
      expect(code).toBe(8);
      expect(report.timelines[0]?.gaps).toEqual([
        { first: name, last: name, segments: 1, place: 'window', insideWindow: true },
      ]);
      const shown = await runPgarc(['wal-verify'], { env: store.env });
      expect(shown.code).toBe(8);
      expect(shown.stdout).toContain(`missing ${name}: inside the window`);
    });
  });

  test('only notes a gap before the oldest backup', async () => {
    const segments = (await store.keys('wal_005/00000001')).filter((key) => /\/[0-9A-F]{24}\.lz4$/.test(key));
    await without(segments[1]!.slice('wal_005/'.length, -'.lz4'.length), async () => {
      const { code, report } = await verify();
      expect([code, report.timelines[0]?.gaps[0]?.place]).toEqual([0, 'before']);
    });
  });

  test('fails for a backup of which WAL is missing', async () => {
    await without(startSegment, async () => {
      const { code, report } = await verify();
      expect(code).toBe(8);
      expect(report.brokenBackups).toMatchObject([{ name: `base_${startSegment}` }]);
      expect(report.windows).toEqual([]);
    });
  });

  test('prints tables', async () => {
    const { code, stdout } = await runPgarc(['wal-verify'], { env: store.env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^timeline +continues +segments/);
    expect(stdout).toMatch(/^2 \(newest\) +1 from 0\//m);
    expect(stdout).toContain('No gap inside the window.');
  });
});
