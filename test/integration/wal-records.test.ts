import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatLsn, type Lsn, parseLsn } from '../../src/postgres/lsn.ts';
import { WalReader, type WalRecord } from '../../src/wal/records.ts';
import { isSegmentName, parseSegmentName, segmentStart } from '../../src/wal/segment.ts';
import { formatTimestamp, parseTimestamp } from '../../src/wal/timestamp.ts';
import { parseRestorePoint, parseTransactionEnd } from '../../src/wal/transaction-records.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { findBinaries, type PostgresVersion } from '../support/postgres-binaries.ts';
import { runProgram } from '../support/run.ts';

const SEGMENT_SIZE = 2 ** 20;
const PAGE = 8192;

const WORKLOAD = [
  'CREATE TABLE t (id int, filler text)',
  "INSERT INTO t SELECT i, repeat('x', 300) FROM generate_series(1, 20000) i",
  "SELECT pg_create_restore_point('before the update')",
  `DO $$ BEGIN FOR i IN 1..400 LOOP
     BEGIN INSERT INTO t VALUES (i, 'sub'); IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF;
     EXCEPTION WHEN raise_exception THEN NULL; END;
   END LOOP; END $$`,
  `BEGIN; INSERT INTO t VALUES (0, 'prepared'); SAVEPOINT s; INSERT INTO t VALUES (0, 'sub');
   PREPARE TRANSACTION 'one'`,
  "BEGIN; CREATE TABLE u (a int); DROP TABLE IF EXISTS u; CREATE TABLE v (a int); PREPARE TRANSACTION 'two'",
  "BEGIN; CREATE TABLE w AS SELECT * FROM t LIMIT 100; SAVEPOINT s; DROP TABLE w; PREPARE TRANSACTION 'three'",
  "COMMIT PREPARED 'one'",
  "ROLLBACK PREPARED 'two'",
  "COMMIT PREPARED 'three'",
  "BEGIN; UPDATE t SET filler = 'y' WHERE id < 100; ROLLBACK",
  "SELECT pg_create_restore_point('äfter')",
  "SELECT pg_logical_emit_message(false, 'big', repeat('m', 3000000))",
  'SELECT pg_switch_wal()',
  "INSERT INTO t VALUES (1, 'after the switch')",
];

/** A server that has written, ended by kill -9 so that the last segment is followed by recycled bytes or zeros. */
async function writeWal(version: PostgresVersion): Promise<TestPostgres> {
  const server = await startPostgres({
    version,
    walSegmentSize: 1,
    settings: {
      max_prepared_transactions: 4,
      wal_keep_size: '512MB',
      autovacuum: false,
      track_commit_timestamp: true,
    },
  });
  for (const statement of WORKLOAD) await server.query(statement);
  return server;
}

async function readWal(dataDir: string): Promise<{ start: Lsn; reader: WalReader; records: WalRecord[] }> {
  const folder = join(dataDir, 'pg_wal');
  const names = (await readdir(folder)).filter(isSegmentName).sort();
  const start = segmentStart(parseSegmentName(names[0]!, SEGMENT_SIZE)!, SEGMENT_SIZE);
  const records: WalRecord[] = [];
  const reader = new WalReader({
    start,
    segmentSize: SEGMENT_SIZE,
    wants: () => true,
    onRecord: (record) => records.push({ ...record, body: Buffer.from(record.body) }),
  });
  for (const name of names) {
    const bytes = await readFile(join(folder, name));
    for (let at = 0; at < bytes.length; at += PAGE) reader.pushPage(bytes.subarray(at, at + PAGE));
  }
  return { start, reader, records };
}

const LINE =
  /^rmgr: (\S+)\s+len \(rec\/tot\):\s*\d+\/\s*(\d+), tx:\s*(\d+), lsn: (\S+), prev \S+, desc: (.*)$/;

/** What pg_waldump says; it ends with an error where the WAL does. */
async function dumpWal(dataDir: string, start: Lsn): Promise<string[][]> {
  const program = join(findBinaries(15), 'pg_waldump');
  const { stdout } = await runProgram(program, ['-p', join(dataDir, 'pg_wal'), '-s', formatLsn(start)], {
    env: { TZ: 'UTC' },
  });
  return stdout.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    return match === null ? [] : [match.slice(1)];
  });
}

describe('WalReader', () => {
  test('reads what pg_waldump reads, and stops where it stops', async () => {
    const server = await writeWal(15);
    await server.stop('immediate');
    const { start, reader, records } = await readWal(server.dataDir);
    const dumped = await dumpWal(server.dataDir, start);

    const ours = records.map((r) => [String(r.body.length + 24), String(r.xid), formatLsn(r.lsn)]);
    const theirs = dumped.map(([, length, xid, lsn]) => [length, xid, formatLsn(parseLsn(lsn!)!)]);
    expect(ours.length).toBeGreaterThan(1000);
    expect(ours).toEqual(theirs);
    expect(reader.ended).toBeDefined();
    expect(reader.lastLsn).toBe(records.at(-1)!.lsn);

    const ends = records.flatMap((r) => parseTransactionEnd(r) ?? []);
    const dumpedEnds = dumped.flatMap(([rmgr, , xid, , text]) => {
      const match = /^(COMMIT|ABORT)(?:_PREPARED (\d+):)? (\S+ \S+) UTC/.exec(text!);
      if (rmgr !== 'Transaction' || match === null) return [];
      const time = parseTimestamp(`${match[3]}Z`)!;
      return [`${match[1]!.toLowerCase()} ${match[2] ?? xid} ${formatTimestamp(time)}`];
    });
    expect(ends.map((e) => `${e.kind} ${e.xid} ${formatTimestamp(e.time)}`)).toEqual(dumpedEnds);
    expect(ends.some((e) => e.kind === 'abort')).toBe(true);

    const points = records.flatMap((r) => parseRestorePoint(r) ?? []);
    expect(points.map((p) => p.name)).toEqual(['before the update', 'äfter']);
  });

  test('tells the commit times that PostgreSQL 18 tells', async () => {
    const server = await writeWal(18);
    const rows = await server.query<{ xid: string; time: string }>(
      `SELECT x AS xid, to_char(pg_xact_commit_timestamp(x::text::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
         FROM generate_series(750, txid_current() - 1) x WHERE pg_xact_commit_timestamp(x::text::xid) IS NOT NULL`,
    );
    await server.kill();
    const { records } = await readWal(server.dataDir);
    const ends = records.flatMap((r) => parseTransactionEnd(r) ?? []).filter((e) => e.kind === 'commit');
    const known = new Map(rows.map((row) => [Number(row.xid), row.time]));
    expect(known.size).toBeGreaterThan(3);
    const found = ends.filter((e) => known.has(e.xid));
    expect(found.length).toBeGreaterThan(5);
    for (const end of found)
      expect([end.xid, formatTimestamp(end.time)]).toEqual([end.xid, known.get(end.xid)]);
    expect(records.flatMap((r) => parseRestorePoint(r) ?? []).map((p) => p.name)).toContain('äfter');
  });
});
