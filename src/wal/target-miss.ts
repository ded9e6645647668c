import { formatLsn } from '../postgres/lsn.ts';
import { describeMinimal } from './minimal.ts';
import type { Aim } from './target-aim.ts';
import type { SkippedBackup, Target, TargetRequest, UnreachableTarget } from './targets.ts';
import { formatTimestamp } from './timestamp.ts';
import type { Moment } from './window.ts';

type Explanation = Omit<UnreachableTarget, 'reachable' | 'skipped'>;

/** Words why a target cannot be reached, and what can. */
export function explainMiss(
  { target, timeline, backup }: TargetRequest,
  missed: readonly Aim[],
  skipped: readonly SkippedBackup[],
): Explanation {
  const oldest = missed.map((aim) => aim.oldest).toSorted(compareMoments)[0];
  const newest = missed
    .flatMap((aim) => aim.newest ?? [])
    .toSorted(compareMoments)
    .at(-1);
  if (missed.length === 0) {
    return { reason: explainNoBackup(timeline, backup, skipped), hint: undefined, oldest, newest };
  }
  const what = describeTarget(target);
  if (target.kind === 'xid' || target.kind === 'name') {
    return { ...explainNotFound(what, missed, newest && describeMoment(newest, target)), oldest, newest };
  }
  const behind = missed.filter((aim) => aim.side === 'after');
  const minimal = behind.find((aim) => aim.newest === newest)?.minimalLsn;
  if (target.kind === 'none' && minimal !== undefined) {
    const reason = `${describeMinimal(minimal)}, and recovery stops there with an error`;
    return { reason, hint: hintBefore(newest), oldest, newest };
  }
  if (behind.length === 0) {
    const start = describeMoment(oldest!, target);
    return {
      reason: `${what} lies before the first moment that can be reached, ${start}`,
      hint:
        backup === undefined
          ? 'No backup in the archive is older: choose a later moment.'
          : 'An older backup may reach it: leave the choice to pgarc with LATEST.',
      oldest,
      newest,
    };
  }
  const reachable = newest === undefined ? undefined : describeMoment(newest, target);
  const inGap = minimal === undefined && behind.length < missed.length;
  const relation = inGap ? 'lies where WAL is missing; before it' : 'lies after';
  const cause = minimal === undefined ? '' : `: ${describeMinimal(minimal)}`;
  const end =
    reachable === undefined
      ? `lies after the end of the archived WAL${minimal === undefined ? '' : ' that can be recovered'}`
      : `${relation} the newest moment that can be reached${inGap ? ' is' : ','} ${reachable}`;
  return {
    reason: `${what} ${end}${cause}`,
    hint:
      minimal === undefined
        ? 'Without a target, recovery goes to the end of the archived WAL.'
        : hintBefore(newest),
    oldest,
    newest,
  };
}

function hintBefore(newest: Moment | undefined): string {
  const before =
    newest === undefined ? '' : `Recovery ends before that with --target-lsn ${formatLsn(newest.lsn)}. `;
  return `${before}What came after is only in a backup taken since.`;
}

/** A target as an error names it. */
function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'time':
      return `target time ${formatTimestamp(target.time)}`;
    case 'lsn':
      return `target LSN ${formatLsn(target.lsn)}`;
    case 'xid':
      return `transaction ${target.xid}${target.full === undefined ? '' : ` (${target.full} with its epoch)`}`;
    case 'name':
      return `restore point "${target.name}"`;
    case 'immediate':
      return 'the end of the backup';
    case 'none':
      return 'the end of the WAL';
  }
}

function describeMoment({ lsn, time, timeline }: Moment, target: Target): string {
  const place = `LSN ${formatLsn(lsn)} on timeline ${timeline}`;
  if (time === undefined) return `${place} (no transaction ended after the backup)`;
  return target.kind === 'lsn'
    ? `${place} (${formatTimestamp(time)})`
    : `${formatTimestamp(time)} (${place})`;
}

function explainNoBackup(
  timeline: TargetRequest['timeline'],
  backup: string | undefined,
  skipped: readonly SkippedBackup[],
): string {
  const first = skipped[0];
  if (first === undefined) {
    return backup === undefined
      ? 'the archive holds no backup that can be restored'
      : `the archive holds no backup ${backup} that can be restored`;
  }
  if (backup !== undefined) return `${backup} cannot be recovered: ${first.reason}`;
  const on = typeof timeline === 'number' ? ` to timeline ${timeline}` : '';
  return `no backup can be recovered${on}; the newest, ${first.name}: ${first.reason}`;
}

function explainNotFound(
  what: string,
  missed: readonly Aim[],
  newest: string | undefined,
): Pick<Explanation, 'reason' | 'hint'> {
  if (missed.every((aim) => aim.searched)) {
    const until = newest === undefined ? '' : `, whose newest moment is ${newest}`;
    const minimal = missed.find((aim) => aim.minimalLsn !== undefined)?.minimalLsn;
    const cause = minimal === undefined ? '' : `: ${describeMinimal(minimal)}`;
    return {
      reason: `${what} is not in the WAL that can be recovered${until}${cause}`,
      hint: `Choose another target; ${
        minimal === undefined
          ? 'without one, recovery goes to the end of the archived WAL.'
          : 'what came after that is only in a backup taken since.'
      }`,
    };
  }
  return {
    reason: `${what} was not found in the newest WAL, and what is older is too much to look through`,
    hint: 'Name a backup that was complete before it, see: pgarc backup-list',
  };
}

function compareMoments(a: Moment, b: Moment): number {
  return a.timeline - b.timeline || (a.lsn < b.lsn ? -1 : a.lsn > b.lsn ? 1 : 0);
}
