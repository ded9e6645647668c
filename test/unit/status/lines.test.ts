import { expect, it } from 'vitest';
import { renderStatus } from '../../../cli/status-report.ts';
import { diagnose } from '../../../src/status/diagnose.ts';
import { toDocument } from '../../../src/status/document.ts';
import type { StatusFacts } from '../../../src/status/facts.ts';
import { linesOf } from '../../../src/status/lines.ts';
import { pictureOf } from '../../../src/status/picture.ts';
import {
  ago,
  BACKUP,
  DAEMON,
  ETCD,
  FILES,
  facts,
  failed,
  JOB,
  JOBS,
  NONE,
  ok,
  RUN,
  SCAN,
  STANDBY,
} from './facts.ts';

process.env.TZ = 'UTC';

function screen(changes: Partial<StatusFacts> = {}, colors = false): string {
  const all = facts(changes);
  const picture = pictureOf(all);
  return renderStatus(linesOf(all, picture), diagnose(all, picture), colors);
}

function line(label: string, changes: Partial<StatusFacts>): string {
  const found = screen(changes)
    .split('\n')
    .find((one) => one.startsWith(`${label} `));
  return found?.slice(label.length).trim() ?? '';
}

it('shows a cluster that is well', () => {
  expect(screen()).toBe(`\
cluster  main, system identifier 7710628142572338094, PostgreSQL 15.14, s3://backups/main
health   well
server   db1, primary on timeline 3, at 0/43000060, /tmp/.s.PGSQL.5432
archive  no WAL files wait, last archived 000000030000000000000042 2 min ago
backups  1 of 3 GiB, newest base_000000030000000000000040 (full, 12 GiB) finished 3 h ago
window   2026-11-20 12:00:00 to 2026-11-21 11:59:30, 1 d, timeline 3
gaps     none inside the window, 66 segments of 200 MiB stored
daemon   pid 42, serves /data
etcd     db2 runs the jobs, daemons: db1 primary; db2 replica, http://10.0.0.1:2379
backup   ok 2 h ago on db2, took 5 min, base_000000030000000000000040; next 2026-11-22 09:00:00, in 21 h
`);
});

it('says what to do, and colours it on a terminal alone', () => {
  const changes = { backups: failed('connection refused'), scan: failed('connection refused') };
  expect(screen(changes)).toContain('\nhealth   needs attention: store\n');
  expect(screen(changes)).toMatch(
    /\n\nstore: s3:\/\/backups\/main does not answer: connection refused\n {2}\$ pgarc check\n$/,
  );
  expect(screen(changes)).not.toContain('\x1b');
  expect(screen(changes, true)).toContain('\x1b[31mstore:\x1b[0m s3://');
});

it.each<[string, Partial<StatusFacts>, string]>([
  [
    'server',
    { postgres: ok(STANDBY) },
    'db1, standby on timeline 3, at 0/43000060, streaming, 4 KiB to replay, replayed a commit of 1 min ago, /tmp/.s.PGSQL.5432',
  ],
  [
    'server',
    { postgres: failed('x'), host: 'h' },
    'db1 (h), not reachable, a primary "in production" on timeline 3, as /data says',
  ],
  ['server', { postgres: failed('x'), files: NONE }, 'db1, not reachable'],
  ['archive', { postgres: ok(STANDBY) }, 'no WAL files wait, its primary archives'],
  [
    'archive',
    { postgres: failed('x'), files: ok({ ...FILES, waiting: { files: 1, since: ago(2) } }) },
    '1 WAL file waits, the oldest for 2 min, from the data directory',
  ],
  ['archive', { postgres: failed('x'), files: NONE }, 'unknown how many WAL files wait'],
  [
    'backups',
    { backups: failed('x') },
    '1 of 3 GiB, newest base_000000030000000000000040 (full, 12 GiB) finished 3 h ago, from etcd, 4 min old',
  ],
  ['backups', { backups: failed('no answer within 1.5 s'), etcd: NONE }, 'unknown: no answer within 1.5 s'],
  ['backups', { backups: ok([]) }, 'none'],
  ['backups', { backups: ok([{ ...BACKUP, usable: false }]) }, '1, none can be used'],
  [
    'window',
    { scan: failed('x'), keptScan: { ...SCAN, at: ago(7).toISOString() } },
    '2026-11-20 12:00:00 to 2026-11-21 11:59:30, 1 d, timeline 3, from the daemon, 7 min old',
  ],
  [
    'window',
    { scan: ok({ ...SCAN, window: { ...SCAN.window!, to: null } }) },
    '2026-11-20 12:00:00 to 0/43000000, timeline 3',
  ],
  ['window', { scan: ok({ ...SCAN, window: null }) }, 'no moment can be recovered'],
  [
    'window',
    { scan: failed('x'), keptScan: { ...SCAN, at: ago(200).toISOString(), window: null } },
    'unknown: the WAL was listed before the newest backup, from the daemon, 3 h 20 min old',
  ],
  [
    'gaps',
    { scan: ok({ ...SCAN, gaps: 1, missingSegments: 3 }) },
    '1, 3 segments missing, 66 segments of 200 MiB stored',
  ],
  ['gaps', { scan: NONE }, 'unknown'],
  [
    'daemon',
    { daemon: NONE, keptScan: { ...SCAN, at: ago(7).toISOString() } },
    'none runs here, was here 7 min ago',
  ],
  [
    'daemon',
    { daemon: ok({ ...DAEMON, pgdata: undefined, notReady: ['cluster: not there'] }) },
    'pid 42, serves no cluster, not ready: cluster: not there',
  ],
  ['etcd', { etcd: failed('no quorum') }, 'unknown: no quorum'],
  [
    'etcd',
    { etcd: ok({ ...ETCD, leader: { ...ETCD.leader!, node: 'db1' }, members: [] }) },
    'db1 (this node) runs the jobs, no daemon lives, http://10.0.0.1:2379',
  ],
  ['etcd', { etcd: NONE }, ''],
  ['jobs', { jobs: NONE }, 'none is scheduled'],
  [
    'jobs',
    { jobs: ok({ ...JOBS, jobs: [{ ...JOB, cron: undefined, last: undefined }] }) },
    'none is scheduled',
  ],
  [
    'backup',
    {
      jobs: ok({
        ...JOBS,
        source: 'daemon',
        isKept: true,
        jobs: [
          {
            ...JOB,
            last: undefined,
            running: {
              ...RUN,
              state: 'running',
              startedAt: ago(3).toISOString(),
              progress: { fraction: 0.379, doneBytes: 2 ** 30, totalBytes: 3 * 2 ** 30, phase: 'copying' },
            },
          },
        ],
      }),
    },
    'runs on db2 for 3 min, 37 % (1 GiB of 3 GiB), copying; never ran; next 2026-11-22 09:00:00, in 21 h, from the daemon of this host',
  ],
])('%s line of %o', (label, changes, expected) => {
  expect(line(label, changes)).toBe(expected);
});

it('writes a document with every field, known or not', () => {
  const all = facts();
  const well = toDocument(all, pictureOf(all), []) as Record<string, unknown>;
  const gone = failed('x');
  const nothing = facts({
    postgres: gone,
    files: NONE,
    backups: gone,
    scan: gone,
    etcd: gone,
    daemon: NONE,
    jobs: NONE,
    scope: undefined,
  });
  const blank = toDocument(nothing, pictureOf(nothing), []) as Record<string, unknown>;
  expect(Object.keys(blank)).toEqual(Object.keys(well));
  expect(blank).toMatchObject({
    role: null,
    backups: null,
    wal: null,
    sources: { store: { state: 'failed', message: 'x' } },
  });
  expect(well).toMatchObject({
    healthy: true,
    role: 'primary',
    backups: { source: 'store', at: null, count: 1 },
    wal: { source: 'store', gaps: 0 },
  });
});
