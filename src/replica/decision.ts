import { type Backup, compareBackups } from '../backup/catalog.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { isAncestor, type TimelineSpan, timelineSpans } from '../wal/history.ts';
import { endOf } from '../wal/window.ts';
import type { Facts, LeaderFacts } from './facts.ts';
import { checkWal, type WalCheck } from './wal-check.ts';

/** Why the archive is used or not. Also the metric's label. */
export type Reason =
  | 'within-thresholds'
  | 'no-leader'
  | 'over-megabytes'
  | 'over-percentage'
  | 'size-unknown'
  | 'leader-unreachable'
  | 'no-backup'
  | 'no-usable-backup'
  | 'other-cluster'
  | 'other-timeline'
  | 'leader-behind'
  | 'wal-gap';

/** A backup that cannot lead to the leader. */
export interface Unfit {
  name: string;
  reason: Reason;
  /** A clause for a message. */
  why: string;
}

export interface Decision {
  use: boolean;
  reason: Reason;
  /** The newest that leads to the leader. */
  backup: Backup | undefined;
  /** Bytes of WAL from the backup's start to the leader; 0 without a leader. */
  walSinceBackup: bigint | undefined;
  /** Uncompressed, bytes. */
  backupSize: number | undefined;
  /** Less than this many bytes of WAL speak for the archive. */
  megabytesLimit: bigint;
  /** In bytes; undefined when the size is not known. Rounded down. */
  percentageLimit: bigint | undefined;
  /** Undefined while the store does not answer, and without a backup. */
  wal: WalCheck | undefined;
  /** Newer backups that were passed over. */
  unfit: readonly Unfit[];
}

const MEGABYTE = 2n ** 20n;

/**
 * Whether a new replica starts from the archive. The rule is that of Patroni's wale_restore: the WAL since the
 * newest backup must be less than so many megabytes and less than so much of the backup's size, both strictly;
 * a leader that cannot be asked speaks against it, except where Patroni says that there need be none. Beyond that
 * rule the backup must lead to where the leader is, and none of its WAL may be lost. Pure.
 */
export function decide(facts: Facts): Decision {
  const { leader, thresholds } = facts;
  const nothing = {
    backup: undefined,
    walSinceBackup: undefined,
    backupSize: undefined,
    megabytesLimit: BigInt(thresholds.megabytes) * MEGABYTE,
    percentageLimit: undefined,
    wal: undefined,
  };
  const no = (reason: Reason, unfit: readonly Unfit[] = []): Decision => ({
    ...nothing,
    use: false,
    reason,
    unfit,
  });
  if (leader.kind === 'unreachable' && !facts.noLeader) return no('leader-unreachable');
  if (facts.backups.length === 0) return no('no-backup');
  const unfit: Unfit[] = [];
  for (const backup of facts.backups.toSorted(compareBackups).reverse()) {
    const found = judge(facts, backup);
    if (found === undefined) return measure(facts, backup, unfit);
    unfit.push(found);
  }
  return no(unfit.find(({ reason }) => reason !== 'no-usable-backup')?.reason ?? 'no-usable-backup', unfit);
}

/** @returns why the backup does not lead to the leader; undefined when it does */
function judge(facts: Facts, backup: Backup): Unfit | undefined {
  const { leader } = facts;
  const unfit = (reason: Reason, why: string) => ({ name: backup.name, reason, why });
  if (!backup.usable) return unfit('no-usable-backup', backup.warnings.join('; ') || 'it is damaged');
  const cluster = leader.kind === 'reached' ? leader.systemIdentifier : facts.archiveOwner;
  const owner = backup.systemIdentifier ?? facts.archiveOwner;
  if (owner !== undefined && cluster !== undefined && owner !== cluster) {
    const whose = leader.kind === 'reached' ? 'the leader' : 'the archive';
    return unfit('other-cluster', `it is of the cluster ${owner}, and ${whose} of ${cluster}`);
  }
  if (leader.kind !== 'reached') return undefined;
  const spans = spansTo(facts, leader);
  if (spans === undefined && backup.timeline !== leader.timeline) {
    return unfit(
      'other-timeline',
      `it is of timeline ${backup.timeline}, and how the leader came to timeline ${leader.timeline} is not known`,
    );
  }
  if (backup.startLsn > leader.lsn && backup.timeline === leader.timeline) {
    return unfit(
      'leader-behind',
      `it starts at ${formatLsn(backup.startLsn)}, after the leader's ${formatLsn(leader.lsn)}`,
    );
  }
  if (spans !== undefined && !isAncestor(spans, backup.timeline, endOf(backup))) {
    return unfit(
      'other-timeline',
      `it is of timeline ${backup.timeline}, which does not lead from ${formatLsn(endOf(backup))} to the leader's timeline ${leader.timeline}`,
    );
  }
  return undefined;
}

function measure(facts: Facts, backup: Backup, unfit: readonly Unfit[]): Decision {
  const { leader, thresholds } = facts;
  const walSinceBackup = leader.kind === 'reached' ? leader.lsn - backup.startLsn : 0n;
  const backupSize = backup.kind === 'delta' ? backup.dataSize : (backup.uncompressedSize ?? backup.dataSize);
  const megabytesLimit = BigInt(thresholds.megabytes) * MEGABYTE;
  // In hundredths of a byte, so that nothing is rounded.
  const percentageShare =
    backupSize === undefined ? undefined : BigInt(Math.trunc(backupSize)) * BigInt(thresholds.percentage);
  const wal = facts.archive === undefined ? undefined : checkWal(facts.archive, backup, leaderEnd(facts));
  const judged = {
    backup,
    walSinceBackup,
    backupSize,
    megabytesLimit,
    percentageLimit: percentageShare === undefined ? undefined : percentageShare / 100n,
    wal,
    unfit,
  };
  const reason = chooseReason();
  return { ...judged, reason, use: reason === 'within-thresholds' || reason === 'no-leader' };

  function chooseReason(): Reason {
    if (walSinceBackup >= megabytesLimit) return 'over-megabytes';
    if (percentageShare === undefined) {
      if (leader.kind === 'reached') return 'size-unknown';
    } else if (walSinceBackup * 100n >= percentageShare) return 'over-percentage';
    if (wal !== undefined && !wal.contiguous) return 'wal-gap';
    return leader.kind === 'reached' ? 'within-thresholds' : 'no-leader';
  }
}

/** Where the WAL has to lead. */
function leaderEnd(facts: Facts): { spans: readonly TimelineSpan[]; lsn: bigint } | undefined {
  const { leader } = facts;
  if (leader.kind !== 'reached') return undefined;
  return { spans: spansTo(facts, leader) ?? timelineSpans(leader.timeline, []), lsn: leader.lsn };
}

/** The timelines that led to the leader's; undefined when neither it nor the archive tells. */
function spansTo({ archive }: Facts, leader: LeaderFacts): TimelineSpan[] | undefined {
  if (leader.timeline === 1) return timelineSpans(1, []);
  const entries = leader.history ?? archive?.histories.get(leader.timeline);
  return entries === undefined ? undefined : timelineSpans(leader.timeline, entries);
}
