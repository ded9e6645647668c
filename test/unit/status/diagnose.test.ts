import { expect, it } from 'vitest';
import { diagnose } from '../../../src/status/diagnose.ts';
import type { StatusFacts } from '../../../src/status/facts.ts';
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
  member,
  NONE,
  ok,
  POSTGRES,
  RUN,
  SCAN,
  STANDBY,
} from './facts.ts';

/** `subject: message $ command` of each trouble. */
function troubles(changes: Partial<StatusFacts>): string[] {
  const all = facts(changes);
  return diagnose(all, pictureOf(all)).map(
    ({ subject, message, command }) => `${subject}: ${message} $ ${command}`,
  );
}

const withPostgres = (changes: Partial<typeof POSTGRES>) => ({ postgres: ok({ ...POSTGRES, ...changes }) });
const withScan = (changes: Partial<typeof SCAN>) => ({ scan: ok({ ...SCAN, ...changes }) });
const withJob = (changes: Partial<typeof JOB>) => ({ jobs: ok({ ...JOBS, jobs: [{ ...JOB, ...changes }] }) });
const OFF_SCHEDULE = ok({ ...JOBS, jobs: [{ ...JOB, cron: undefined }], backupTimes: [] });
const DOWN = failed('cannot connect');

it.each<[string, Partial<StatusFacts>]>([
  ['all is well', {}],
  ['alone, without etcd, daemon and schedule', { etcd: NONE, daemon: NONE, jobs: NONE }],
  ['a standby', { postgres: ok(STANDBY) }],
  ['a standby that does not archive', { postgres: ok({ ...STANDBY, archiveMode: 'off' }) }],
  ['a few files wait, and not for long', withPostgres({ waiting: { files: 3, since: ago(4) } })],
  [
    'a failure long ago',
    withPostgres({ lastFailed: 'X', lastFailedTime: ago(60), waiting: { files: 1, since: ago(1) } }),
  ],
  ['a failure after which nothing waits', withPostgres({ lastFailed: 'X', lastFailedTime: ago(1) })],
  ['a script of theirs that archives', withPostgres({ callsPgarc: false })],
  [
    'PostgreSQL archived the newest segment while the archive was listed',
    withPostgres({ lastArchived: '000000030000000000000043', lastArchivedTime: ago(0) }),
  ],
  [
    'PostgreSQL archived more since the daemon listed the archive',
    {
      ...withPostgres({ lastArchived: '000000030000000000000943' }),
      scan: DOWN,
      keptScan: { ...SCAN, at: ago(5).toISOString() },
      backups: ok([BACKUP]),
    },
  ],
  ['another node archived more', withPostgres({ lastArchived: '000000030000000000000041' })],
  [
    'PostgreSQL archived a history file last, or a .backup file',
    withPostgres({ lastArchived: '000000030000000000000050.00000028.backup' }),
  ],
  [
    'PostgreSQL archived nothing yet on its timeline',
    withPostgres({ lastArchived: '00000002000000000000000B', lastArchivedTime: ago(99) }),
  ],
  ['nobody may see archive_command', withPostgres({ callsPgarc: undefined, lastArchived: undefined })],
  ['another node has a daemon', { daemon: NONE }],
  [
    'a run that goes on',
    withJob({ running: { ...RUN, state: 'running', startedAt: ago(59).toISOString() } }),
  ],
  ['a backup between its two last times', { backups: ok([{ ...BACKUP, finishTime: ago(24 * 60) }]) }],
  [
    'nothing is scheduled, and nobody leads',
    { jobs: OFF_SCHEDULE, etcd: ok({ ...ETCD, leader: undefined }) },
  ],
  [
    'a backup whose system identifier is not known',
    { backups: ok([{ ...BACKUP, systemIdentifier: undefined }]) },
  ],
])('finds nothing: %s', (_, changes) => {
  expect(troubles(changes)).toEqual([]);
});

it.each<[string, Partial<StatusFacts>, string[]]>([
  [
    'no store is set',
    { store: undefined, backups: NONE, scan: NONE, jobs: NONE },
    ['settings: no store is set: nothing is archived $ pgarc config show'],
  ],
  [
    'the store is down',
    { backups: DOWN, scan: DOWN, keptScan: SCAN },
    ['store: s3://backups/main does not answer: cannot connect $ pgarc check'],
  ],
  [
    'PostgreSQL is shut down',
    {
      postgres: DOWN,
      files: ok({ ...FILES, hasPostmaster: false, state: 'shut down' }),
      pgdata: "/my data's",
    },
    [`postgres: no server runs on /my data's, which is "shut down" $ pg_ctl -D '/my data'\\''s' start`],
  ],
  [
    'PostgreSQL is shut down, and root asks',
    {
      postgres: DOWN,
      files: ok({ ...FILES, hasPostmaster: false, account: { uid: 103, gid: 106, name: 'postgres' } }),
    },
    [
      'postgres: no server runs on /data, which is "in production" $ runuser -u postgres -- pg_ctl -D /data start',
    ],
  ],
  [
    'the PostgreSQL of a Patroni is shut down',
    { postgres: DOWN, files: ok({ ...FILES, hasPostmaster: false, state: 'shut down' }), hasPatroni: true },
    ['postgres: no server runs on /data, which is "shut down" $ patronictl list'],
  ],
  [
    'PostgreSQL hangs',
    { postgres: failed('no answer within 1.5 s') },
    ['postgres: no answer within 1.5 s $ pgarc check'],
  ],
  [
    'PostgreSQL is not to be found',
    { postgres: DOWN, files: NONE },
    ['postgres: cannot connect $ pgarc config show'],
  ],
  [
    'etcd is down',
    { etcd: DOWN },
    ['etcd: cannot connect: archiving goes on, scheduled jobs wait $ etcdctl endpoint status --cluster'],
  ],
  [
    'nobody leads, and no daemon lives',
    { etcd: ok({ ...ETCD, leader: undefined, members: [] }) },
    ['etcd: no node leads, so that no scheduled job runs: no daemon of the scope lives $ pgarc daemon'],
  ],
  [
    'nobody leads, for nobody is fit',
    { etcd: ok({ ...ETCD, leader: undefined, members: [member('db1', 'replica', false)] }) },
    ['etcd: no node leads, so that no scheduled job runs: db1: it lags $ pgarc schedule'],
  ],
  [
    'nobody leads yet',
    { etcd: ok({ ...ETCD, leader: undefined }) },
    ['etcd: no node leads, so that no scheduled job runs: none has taken it yet $ pgarc schedule'],
  ],
  [
    'alone with a schedule, and no daemon',
    { etcd: NONE, daemon: NONE },
    ['daemon: no daemon runs here, so that no scheduled job does $ pgarc daemon'],
  ],
  [
    'the daemon hangs',
    { daemon: failed('no answer within 1.5 s') },
    ['daemon: the daemon hangs: no answer within 1.5 s $ systemctl restart pgarc'],
  ],
  [
    'the daemon is of another store',
    { daemon: ok({ ...DAEMON, answers: false }) },
    ['daemon: the daemon (pid 42) serves another store, or is of another version $ systemctl restart pgarc'],
  ],
  [
    'the daemon cannot work',
    { daemon: ok({ ...DAEMON, notReady: ['store: failing for 35 s: refused'] }) },
    ['daemon: the daemon is not ready: store: failing for 35 s: refused $ pgarc check'],
  ],
  [
    'archive_mode is off',
    withPostgres({ archiveMode: 'off' }),
    [
      "archive: archive_mode is off: no WAL is archived, and turning it on takes a restart of the server afterwards $ psql -c 'ALTER SYSTEM SET archive_mode = on' -c 'SELECT pg_reload_conf()'",
    ],
  ],
  [
    'archive_mode waits for a restart',
    withPostgres({ archiveMode: 'off', needsRestart: true }),
    [
      'archive: archive_mode was turned on and waits for a restart of the server: no WAL is archived $ pg_ctl -D /data restart',
    ],
  ],
  [
    'archive_mode waits for a restart by Patroni',
    { ...withPostgres({ archiveMode: 'off', needsRestart: true }), hasPatroni: true },
    [
      'archive: archive_mode was turned on and waits for a restart of the server: no WAL is archived $ patronictl restart main --pending',
    ],
  ],
  [
    'another archive_command',
    withPostgres({ callsPgarc: false, lastArchived: undefined }),
    [
      `archive: archive_command does not call pgarc, and nothing was archived $ psql -c "ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'" -c 'SELECT pg_reload_conf()'`,
    ],
  ],
  [
    'PostgreSQL archives into nothing',
    withPostgres({ callsPgarc: false, lastArchived: '000000030000000000000045' }),
    [
      `archive: PostgreSQL archived 000000030000000000000045 2 min ago, and the archive ends at 000000030000000000000042; archive_command does not call pgarc $ psql -c "ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'" -c 'SELECT pg_reload_conf()'`,
    ],
  ],
  [
    'PostgreSQL archives elsewhere, many segments a second',
    withPostgres({ lastArchived: '000000030000000100000045', lastArchivedTime: ago(0) }),
    [
      'archive: PostgreSQL archived 000000030000000100000045 just now, and the archive ends at 000000030000000000000042 $ pgarc check',
    ],
  ],
  [
    'a library archives, and no segment of the timeline arrived',
    {
      ...withPostgres({ callsPgarc: false, archiveLibrary: 'basic_archive' }),
      ...withScan({ newest: ['000000020000000000000042'] }),
    },
    [
      `archive: PostgreSQL archived 000000030000000000000042 2 min ago, and the archive holds no segment of its timeline; archive_command does not call pgarc $ psql -c "ALTER SYSTEM SET archive_library = ''" -c "ALTER SYSTEM SET archive_command = 'pgarc wal-push %p'" -c 'SELECT pg_reload_conf()'`,
    ],
  ],
  [
    'WAL waits for long',
    withPostgres({ waiting: { files: 12, since: ago(6) } }),
    ['archive: 12 WAL files wait to be archived, the oldest for 6 min $ pgarc check'],
  ],
  [
    'the archiver fails',
    withPostgres({
      waiting: { files: 2, since: ago(1) },
      lastFailed: '000000030000000000000043',
      lastFailedTime: ago(1),
    }),
    [
      'archive: 2 WAL files wait to be archived, the oldest for 1 min; archiving 000000030000000000000043 failed $ pgarc wal-push /data/pg_wal/000000030000000000000043',
    ],
  ],
  [
    'WAL waits for long, and the server is down',
    { postgres: failed('x'), files: ok({ ...FILES, waiting: { files: 2, since: ago(60) } }) },
    [
      'postgres: x $ pgarc check',
      'archive: 2 WAL files wait to be archived, the oldest for 1 h $ pgarc check',
    ],
  ],
  [
    'no backup',
    { backups: ok([]), scan: ok({ ...SCAN, window: null }) },
    ['backups: there is no backup: WAL alone cannot be recovered $ pgarc backup-push'],
  ],
  [
    'no usable backup',
    { backups: ok([{ ...BACKUP, usable: false }]), scan: ok({ ...SCAN, window: null }) },
    ['backups: no backup can be used: its sentinel is damaged $ pgarc backup-push'],
  ],
  [
    'a damaged sentinel',
    { backups: ok([{ ...BACKUP, name: 'base_old', usable: false, finishTime: ago(9999) }, BACKUP]) },
    ['backups: 1 backup cannot be used: its sentinel is damaged $ pgarc verify base_old'],
  ],
  [
    'a damaged sentinel of a name that a shell would read',
    { backups: ok([{ ...BACKUP, name: 'base_$(id)', usable: false, finishTime: ago(9999) }, BACKUP]) },
    ["backups: 1 backup cannot be used: its sentinel is damaged $ pgarc verify 'base_$(id)'"],
  ],
  [
    'backups of another cluster',
    { backups: ok([{ ...BACKUP, systemIdentifier: 1n }]) },
    [
      'backups: the newest backup is of the cluster 1, and this one is 7710628142572338094: it needs a prefix of its own $ pgarc config show',
    ],
  ],
  [
    'no backup since two scheduled times',
    { backups: ok([{ ...BACKUP, finishTime: ago(28 * 60) }]) },
    [
      'backups: the newest backup was finished 1 d ago, and two scheduled times have passed since $ pgarc schedule run backup',
    ],
  ],
  [
    'a gap',
    withScan({ gaps: 1, missingSegments: 3, missing: [{ first: 'A', last: 'C' }] }),
    ['window: 3 WAL segments missing inside the window, from A on $ pgarc wal-verify'],
  ],
  [
    'a gap that the daemon found before the store went down',
    { backups: DOWN, scan: DOWN, keptScan: { ...SCAN, gaps: 1, missingSegments: 1 } },
    [
      'store: s3://backups/main does not answer: cannot connect $ pgarc check',
      'window: 1 WAL segment missing inside the window $ pgarc wal-verify',
    ],
  ],
  [
    'a backup without its WAL',
    withScan({ broken: ['base_1'], brokenCount: 2 }),
    ['window: base_1 and 1 more cannot be recovered: some of the WAL it needs is missing $ pgarc wal-verify'],
  ],
  [
    'no WAL at all',
    withScan({ window: null, segments: 0 }),
    ['window: the archive holds no WAL, and no backup can do without $ pgarc wal-verify'],
  ],
  [
    'a failed run',
    withJob({ last: { ...RUN, state: 'failed', message: 'disk full' }, retryAt: '2026-11-21T12:01:00.000Z' }),
    [
      'jobs: the last backup failed on db2: disk full; tried again at 2026-11-21T12:01:00.000Z $ pgarc schedule run backup',
    ],
  ],
  [
    'a run with warnings',
    withJob({ job: 'verify', last: { ...RUN, state: 'warnings', message: '1 damaged page' } }),
    [`jobs: the last verify ended with warnings: 1 damaged page $ pgarc verify ${BACKUP.name}`],
  ],
  [
    'a run that takes too long',
    withJob({ running: { ...RUN, state: 'running', startedAt: ago(61).toISOString() } }),
    ['jobs: backup runs for 1 h 1 min, longer than 1 h $ pgarc schedule'],
  ],
  [
    'settings of jobs that cannot be',
    { jobs: failed('contradiction') },
    ['jobs: contradiction $ pgarc config show'],
  ],
])('finds: %s', (_, changes, expected) => {
  expect(troubles(changes)).toEqual(expected);
});

it('finds all at once, the most pressing first', () => {
  const found = troubles({
    backups: DOWN,
    scan: DOWN,
    postgres: DOWN,
    etcd: DOWN,
    daemon: failed('x'),
    ...withJob({ last: { ...RUN, state: 'failed', message: 'x' } }),
  });
  expect(found.map((one) => one.split(':')[0])).toEqual(['store', 'postgres', 'etcd', 'daemon', 'jobs']);
});
