import { describe, expect, it } from 'vitest';
import { decide, type Reason } from '../../../src/replica/decision.ts';
import type { Facts } from '../../../src/replica/facts.ts';
import { explain } from '../../../src/replica/sentence.ts';
import { archive, backup, CLUSTER, facts, leader, MB, SEGMENT } from './fixture.ts';

const unreachable = { kind: 'unreachable', problem: 'connection refused' } as const;
const none = { kind: 'none' } as const;
const thresholds = (megabytes: number, percentage: number) => ({ thresholds: { megabytes, percentage } });
const switchAt = (segment: bigint) => [{ timeline: 1, switchLsn: segment * SEGMENT, reason: '' }];
/** One that is older by segments. */
const older = backup({
  name: 'base_000000010000000000000005',
  startLsn: 5n * SEGMENT + 40n,
  finishTime: new Date('2026-11-20T12:00:00Z'),
});

interface Case {
  name: string;
  given: Partial<Facts>;
  reason: Reason;
  use?: true;
  /** Of the chosen backup; undefined: none is chosen. */
  backup?: string;
}

const NEWEST = backup().name;
const CASES: Case[] = [
  { name: 'near enough', given: {}, reason: 'within-thresholds', use: true, backup: NEWEST },
  {
    name: 'one byte below the megabytes',
    given: { leader: leader(100n * MB - 1n), ...thresholds(100, 30) },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'exactly the megabytes',
    given: { leader: leader(100n * MB), ...thresholds(100, 30) },
    reason: 'over-megabytes',
    backup: NEWEST,
  },
  {
    name: 'one byte below the percentage',
    given: { leader: leader(300n * MB - 1n), archive: archive({ 1: [[1, 28]] }) },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'exactly the percentage',
    given: { leader: leader(300n * MB), archive: archive({ 1: [[1, 28]] }) },
    reason: 'over-percentage',
    backup: NEWEST,
  },
  {
    name: 'a fraction of a byte below the percentage',
    // 1 % of 199 bytes is 1.99.
    given: { leader: leader(1n), backups: [backup({ uncompressedSize: 199 })], ...thresholds(1, 1) },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  { name: 'over both', given: thresholds(1, 1), reason: 'over-megabytes', backup: NEWEST },
  {
    name: 'a threshold of no megabytes',
    given: { leader: leader(0n), ...thresholds(0, 30) },
    reason: 'over-megabytes',
    backup: NEWEST,
  },
  {
    name: 'a threshold of no percent',
    given: { leader: leader(0n), ...thresholds(10, 0) },
    reason: 'over-percentage',
    backup: NEWEST,
  },
  {
    name: 'a leader that stands where the backup began',
    given: { leader: leader(0n) },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  { name: 'a leader that does not answer', given: { leader: unreachable }, reason: 'leader-unreachable' },
  {
    name: 'a leader that does not answer and need not',
    given: { leader: unreachable, noLeader: true },
    reason: 'no-leader',
    use: true,
    backup: NEWEST,
  },
  { name: 'no leader at all', given: { leader: none }, reason: 'no-leader', use: true, backup: NEWEST },
  {
    name: 'no leader, and thresholds of nothing',
    given: { leader: none, ...thresholds(0, 0) },
    reason: 'over-megabytes',
    backup: NEWEST,
  },
  {
    name: 'a reachable leader beside no_leader',
    given: { noLeader: true, leader: leader(400n * MB) },
    reason: 'over-percentage',
    backup: NEWEST,
  },
  { name: 'no backup', given: { backups: [] }, reason: 'no-backup' },
  { name: 'no backup and no leader', given: { backups: [], leader: none }, reason: 'no-backup' },
  {
    name: 'only a damaged backup',
    given: { backups: [backup({ usable: false, warnings: ['sentinel: is not JSON'] })] },
    reason: 'no-usable-backup',
  },
  {
    name: 'a damaged newest backup and a good older one',
    given: { backups: [older, backup({ usable: false })], archive: archive({ 1: [[1, 15]] }) },
    reason: 'within-thresholds',
    use: true,
    backup: older.name,
  },
  {
    name: 'a backup of another cluster',
    given: { backups: [backup({ systemIdentifier: 5n })] },
    reason: 'other-cluster',
  },
  {
    name: 'a newer backup of another cluster beside one of this',
    given: {
      backups: [older, backup({ systemIdentifier: 5n })],
    },
    reason: 'within-thresholds',
    use: true,
    backup: older.name,
  },
  {
    name: "WAL-E's backup, whose cluster is the archive's",
    given: { backups: [backup({ systemIdentifier: undefined })] },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: "WAL-E's backup in another cluster's archive",
    given: { backups: [backup({ systemIdentifier: undefined })], archiveOwner: 5n },
    reason: 'other-cluster',
  },
  {
    name: 'a foreign backup while there is no leader',
    given: { backups: [backup({ systemIdentifier: 5n })], leader: none },
    reason: 'other-cluster',
  },
  {
    name: 'a leader behind the backup',
    given: { leader: leader(-1n) },
    reason: 'leader-behind',
  },
  {
    name: 'a leader behind the newest backup and not behind an older one',
    given: { backups: [older, backup()], leader: leader(-10n * MB) },
    reason: 'within-thresholds',
    use: true,
    backup: older.name,
  },
  {
    name: 'a leader on the timeline after',
    given: {
      leader: leader(100n * MB, { timeline: 2, history: switchAt(12n) }),
      archive: archive({ 1: [[1, 12]], 2: [[12, 15]] }),
    },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'a leader on the timeline after, whose history only the archive has',
    given: {
      leader: leader(100n * MB, { timeline: 2, history: undefined }),
      archive: archive({ 1: [[1, 12]], 2: [[12, 15]] }, new Map([[2, switchAt(12n)]])),
    },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'a leader on a timeline nobody knows the history of',
    given: { leader: leader(100n * MB, { timeline: 2, history: undefined }) },
    reason: 'other-timeline',
  },
  {
    name: 'a leader whose timeline branched off before the backup ended',
    given: { leader: leader(100n * MB, { timeline: 2, history: switchAt(10n) }) },
    reason: 'other-timeline',
  },
  {
    name: "a backup of a timeline that is not the leader's",
    given: {
      backups: [backup({ timeline: 3 })],
      leader: leader(100n * MB, { timeline: 2, history: switchAt(12n) }),
    },
    reason: 'other-timeline',
  },
  {
    name: 'a missing segment between backup and leader',
    given: {
      archive: archive({
        1: [
          [1, 12],
          [14, 15],
        ],
      }),
    },
    reason: 'wal-gap',
    backup: NEWEST,
  },
  {
    name: 'a missing segment after the leader, of another life',
    given: {
      leader: leader(10n * MB),
      archive: archive({
        1: [
          [1, 12],
          [14, 15],
        ],
      }),
    },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'a missing segment before the backup',
    given: {
      archive: archive({
        1: [
          [1, 8],
          [10, 15],
        ],
      }),
    },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'the segment missing in which the backup starts',
    given: {
      archive: archive({
        1: [
          [1, 9],
          [11, 15],
        ],
      }),
    },
    reason: 'wal-gap',
    backup: NEWEST,
  },
  {
    name: 'no WAL at all',
    given: { archive: archive({}) },
    reason: 'wal-gap',
    backup: NEWEST,
  },
  {
    name: 'the newest segments not archived yet',
    given: { archive: archive({ 1: [[1, 11]] }) },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: "the backup's own WAL cut short",
    given: {
      backups: [backup({ finishLsn: 12n * SEGMENT })],
      archive: archive({ 1: [[1, 10]] }),
    },
    reason: 'wal-gap',
    backup: NEWEST,
  },
  {
    name: "no leader and the backup's own WAL lost",
    given: { leader: none, archive: archive({ 1: [[1, 9]] }) },
    reason: 'wal-gap',
    backup: NEWEST,
  },
  {
    name: 'no leader and WAL lost long after the backup',
    given: {
      leader: none,
      archive: archive({
        1: [
          [1, 20],
          [22, 30],
        ],
      }),
    },
    reason: 'no-leader',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'over a threshold and WAL missing',
    given: { archive: archive({}), ...thresholds(1, 30) },
    reason: 'over-megabytes',
    backup: NEWEST,
  },
  {
    name: 'a backup of unknown size',
    given: { backups: [backup({ uncompressedSize: undefined, dataSize: undefined })] },
    reason: 'size-unknown',
    backup: NEWEST,
  },
  {
    name: 'a backup of unknown size and no leader',
    given: { leader: none, backups: [backup({ uncompressedSize: undefined, dataSize: undefined })] },
    reason: 'no-leader',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'a delta, measured by the size of the cluster',
    given: { backups: [backup({ kind: 'delta', uncompressedSize: 1000 })] },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'a store that does not answer',
    given: { archive: undefined, archiveOwner: undefined },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
  {
    name: 'positions above 4 GiB, where hexadecimal digits carry',
    given: {
      backups: [backup({ startLsn: 0x2_ff00_0028n, finishLsn: 0x2_ff00_0100n })],
      leader: { ...leader(0n), lsn: 0x3_0100_0000n },
      archive: archive({ 1: [[0x2ff, 0x301]] }),
    },
    reason: 'within-thresholds',
    use: true,
    backup: NEWEST,
  },
];

describe('decide', () => {
  it.each(CASES)('$name: $reason', ({ given, reason, use = false, backup: name }) => {
    const all = facts(given);
    const decision = decide(all);
    expect({ reason: decision.reason, use: decision.use, backup: decision.backup?.name }).toEqual({
      reason,
      use,
      backup: name,
    });
    const line = explain(all, decision, { source: 'store', readAt: new Date() }, Number(SEGMENT));
    expect(line).toMatch(use ? /^using the archive: / : /^not using the archive: /);
    expect(line).not.toMatch(/undefined|NaN|\n/);
  });

  it('measures from the start of the backup, in whole bytes', () => {
    const decision = decide(facts());
    expect(decision.walSinceBackup).toBe(100n * MB);
    expect(decision.megabytesLimit).toBe(10_240n * MB);
    expect(decision.percentageLimit).toBe(300n * MB);
  });

  it('tells what comes from the leader', () => {
    const decision = decide(facts({ archive: archive({ 1: [[1, 11]] }) }));
    expect(decision.wal).toMatchObject({ contiguous: true, storedTo: 12n * SEGMENT });
    expect(decision.wal?.fromLeader).toBe(leader(100n * MB).lsn - 12n * SEGMENT);
  });

  it('names the segments that are missing', () => {
    const all = facts({
      archive: archive({
        1: [
          [1, 11],
          [14, 15],
        ],
      }),
    });
    const decision = decide(all);
    expect(explain(all, decision, undefined, Number(SEGMENT))).toContain(
      'missing: 00000001000000000000000C to 00000001000000000000000D',
    );
  });

  it('says what was passed over, and why', () => {
    const all = facts({ backups: [older, backup({ systemIdentifier: 5n })] });
    const decision = decide(all);
    expect(decision.unfit).toMatchObject([{ name: NEWEST, reason: 'other-cluster' }]);
    expect(explain(all, decision, undefined, Number(SEGMENT))).toContain(
      `passed over ${NEWEST}: it is of the cluster 5, and the leader of ${CLUSTER}`,
    );
  });
});

describe('the line', () => {
  it('has sizes, distance, thresholds, WAL and list', () => {
    const all = facts();
    const line = explain(all, decide(all), { source: 'store', readAt: new Date() }, Number(SEGMENT));
    expect(line).toBe(
      'using the archive: backup base_00000001000000000000000A is near enough to the leader; ' +
        'backup 1000 MiB, 100 MiB of WAL from its start 0/A000028 to 0/10400028 of leader db1:5432, timeline 1; ' +
        'thresholds 10240 MiB (10 GiB) and 30 % (300 MiB); ' +
        'its WAL is in the archive without a gap to 0/10000000, 4 MiB more come from the leader; list from the store',
    );
  });

  it('tells the age of a list from etcd', () => {
    const all = facts({ archive: undefined });
    const readAt = new Date('2026-11-21T11:00:00Z');
    const line = explain(all, decide(all), { source: 'etcd', readAt }, undefined);
    expect(line).toMatch(
      /whether its WAL is whole is not known.*list from etcd, as of 2026-11-21T11:00:00.000Z$/,
    );
  });
});
