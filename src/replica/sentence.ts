import { formatLsn } from '../postgres/lsn.ts';
import { formatBytes } from '../report/units.ts';
import { formatSegmentName } from '../wal/segment.ts';
import type { Decision } from './decision.ts';
import type { Facts } from './facts.ts';

/** Where the list of backups came from. */
export interface ListOrigin {
  source: 'store' | 'etcd';
  readAt: Date;
}

/** A decision and what it was made from, in one line: verdict, reason, sizes, thresholds, WAL, list. */
export function explain(
  facts: Facts,
  decision: Decision,
  list: ListOrigin | undefined,
  segmentSize: number | undefined,
): string {
  const parts = [
    `${decision.use ? 'using the archive' : 'not using the archive'}: ${tellReason(facts, decision)}`,
    ...tellDistance(facts, decision),
    ...tellWal(decision, segmentSize),
    ...decision.unfit.slice(0, 3).map(({ name, why }) => `passed over ${name}: ${why}`),
    ...(list === undefined ? [] : [tellList(list)]),
  ];
  return parts.join('; ');
}

function tellReason({ leader, noLeader, thresholds }: Facts, decision: Decision): string {
  const backup = decision.backup?.name ?? '';
  switch (decision.reason) {
    case 'within-thresholds':
      return `backup ${backup} is near enough to the leader`;
    case 'no-leader':
      return `backup ${backup}, and ${leader.kind === 'unreachable' ? `the leader does not answer (${leader.problem}), which no_leader allows` : 'there is no leader'}`;
    case 'over-megabytes':
      return `the WAL since backup ${backup} is not less than ${thresholds.megabytes} MiB`;
    case 'over-percentage':
      return `the WAL since backup ${backup} is not less than ${thresholds.percentage} % of its size`;
    case 'size-unknown':
      return `the size of backup ${backup} is not on record, so ${thresholds.percentage} % of it cannot be told`;
    case 'leader-unreachable':
      return `the leader does not answer${leader.kind === 'unreachable' ? ` (${leader.problem})` : ''}${noLeader ? '' : ', so how far it is cannot be told'}`;
    case 'no-backup':
      return 'there is no backup';
    case 'no-usable-backup':
      return 'no backup can be used';
    case 'other-cluster':
      return 'the backups are of another cluster';
    case 'other-timeline':
      return "no backup leads to the leader's timeline";
    case 'leader-behind':
      return 'the leader is not as far as the newest backup';
    case 'wal-gap':
      return `WAL is missing between backup ${backup} and ${leader.kind === 'reached' ? 'the leader' : 'its end'}`;
  }
}

function tellDistance({ leader, thresholds }: Facts, decision: Decision): string[] {
  const { backup, backupSize, walSinceBackup, percentageLimit, megabytesLimit } = decision;
  if (backup === undefined) {
    return leader.kind === 'reached'
      ? [`leader ${leader.address} at ${formatLsn(leader.lsn)} on timeline ${leader.timeline}`]
      : [];
  }
  const size = backupSize === undefined ? 'of unknown size' : formatBytes(backupSize);
  const limits = [
    `${thresholds.megabytes} MiB (${formatBytes(Number(megabytesLimit))})`,
    `${thresholds.percentage} %${percentageLimit === undefined ? '' : ` (${formatBytes(Number(percentageLimit))})`}`,
  ];
  const where =
    leader.kind === 'reached'
      ? `${formatBytes(Number(walSinceBackup))} of WAL from its start ${formatLsn(backup.startLsn)} to ${formatLsn(leader.lsn)} of leader ${leader.address}, timeline ${leader.timeline}`
      : `its start is ${formatLsn(backup.startLsn)} on timeline ${backup.timeline}`;
  return [`backup ${size}, ${where}`, `thresholds ${limits.join(' and ')}`];
}

function tellWal({ wal, backup }: Decision, segmentSize: number | undefined): string[] {
  if (backup === undefined) return [];
  if (wal === undefined) return ['whether its WAL is whole is not known, as the store did not answer'];
  if (wal.problem !== undefined) return [wal.problem];
  if (wal.contiguous) {
    const rest =
      wal.fromLeader > 0n ? `, ${formatBytes(Number(wal.fromLeader))} more come from the leader` : '';
    return [`its WAL is in the archive without a gap to ${formatLsn(wal.storedTo ?? 0n)}${rest}`];
  }
  if (wal.missing === undefined || segmentSize === undefined) return ['its WAL is not whole'];
  const { timeline, first, last } = wal.missing;
  const name = (number: bigint) => formatSegmentName({ timeline, number }, segmentSize);
  return [`missing: ${name(first)}${last > first ? ` to ${name(last)}` : ''}`];
}

function tellList({ source, readAt }: ListOrigin): string {
  return source === 'store' ? 'list from the store' : `list from etcd, as of ${readAt.toISOString()}`;
}
