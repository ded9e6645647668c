import { PgarcError } from '../../errors.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import type { ObjectStore } from '../../store/store.ts';
import { type Archive, type DamagedHistory, historyError, listArchive } from '../../wal/archive.ts';
import { coveredRanges, missingRanges, spansOf } from '../../wal/gaps.ts';
import { findDamageAtEnd } from '../../wal/recovery-path.ts';
import { type ReachableTarget, resolveTarget, type TargetRequest } from '../../wal/targets.ts';
import { type Backup, findBackup } from '../catalog.ts';

/** What to restore, and what PostgreSQL is told about where to stop. */
export interface Choice {
  backup: Backup;
  /** Undefined when recovery was not looked at. */
  reachable: ReachableTarget<Backup> | undefined;
  /** What stands in the way of a later moment. */
  warnings: readonly string[];
}

/**
 * Chooses the backup: by name, the newest, or the one from which the target is reached. Before anything is
 * copied it is certain that the WAL makes the backup consistent and leads to the target. A history file that
 * cannot be read stops only what may need it.
 * @param name a name, or LATEST: the newest, and with a target the newest that leads to it
 * @throws PgarcError `no-such-backup`, `target-outside-window`, `wal-gap`, `object-damaged`
 */
export async function chooseBackup(
  store: ObjectStore,
  backups: readonly Backup[],
  name: string,
  request: Omit<TargetRequest, 'backup'>,
  signal: AbortSignal,
): Promise<Choice> {
  const named = findBackup(backups, name);
  if (!named.usable) {
    throw new PgarcError(
      'object-damaged',
      `backup ${named.name} cannot be used: ${named.warnings.join('; ')}`,
    );
  }
  const hasTarget = request.target.kind !== 'none';
  const archive = await listArchive(store, signal);
  const backup = name === 'LATEST' && hasTarget ? undefined : named.name;
  const deps = { store, archive, backups };
  const answer = await resolveTarget(deps, { ...request, backup }, signal);
  const unknown = answer.skipped.find(({ damaged }) => damaged !== undefined);
  if (unknown?.damaged !== undefined) throw undecided(unknown.damaged, unknown.name, backups, request);
  if (answer.reachable) {
    return {
      backup: answer.backup,
      reachable: answer,
      warnings: [
        ...(name === 'LATEST' ? warnOfDamaged(backups, answer.backup) : []),
        ...(hasTarget ? [] : warnOfGap(archive, answer)),
        ...warnOfHistories(archive, answer),
      ],
    };
  }
  let { hint } = answer;
  if (backup !== undefined) {
    const other = await resolveTarget(deps, request, signal);
    if (other.reachable) hint = tellOther(other, hasTarget);
  }
  const isAim = hasTarget || typeof request.timeline === 'number';
  throw new PgarcError(isAim ? 'target-outside-window' : 'wal-gap', answer.reason, {
    ...(hint === undefined ? {} : { hint }),
    details: { oldest: answer.oldest, newest: answer.newest, skipped: answer.skipped },
  });
}

function tellOther({ backup, timeline }: ReachableTarget<Backup>, hasTarget: boolean): string {
  if (hasTarget) return `Backup ${backup.name} leads to it; LATEST chooses it by itself.`;
  return `Backup ${backup.name} leads to timeline ${timeline}; --target-timeline current stays on this one's.`;
}

/** LATEST passes over what cannot be used, and nobody shall believe that it was the newest. */
function warnOfDamaged(backups: readonly Backup[], chosen: Backup): string[] {
  return backups
    .filter((backup) => !backup.usable && backup.finishTime > chosen.finishTime)
    .map(({ name, warnings }) => `${name} is newer and cannot be used: ${warnings.join('; ')}`);
}

/** Recovery without a target ends at a gap as if the archive ended there. */
function warnOfGap(archive: Archive, answer: ReachableTarget<Backup>): string[] {
  const covered = coveredRanges(archive, spansOf(archive, answer.timeline));
  const from = answer.newest?.lsn ?? answer.backup.finishLsn ?? answer.backup.startLsn;
  const gap = missingRanges(covered).find(({ begin }) => begin >= from);
  if (gap === undefined) return [];
  return [
    `recovery ends at LSN ${formatLsn(gap.begin)}, because WAL is missing from there to ${formatLsn(gap.end)}: ` +
      'what was committed after that is not restored (see `pgarc wal-verify`)',
  ];
}

/** Another backup, or another timeline, would be a guess. */
function undecided(
  damaged: DamagedHistory,
  name: string,
  backups: readonly Backup[],
  { timeline }: Pick<TargetRequest, 'timeline'>,
): PgarcError {
  const own = backups.find((backup) => backup.name === name)?.timeline;
  const before = damaged.timeline - 1;
  const isOpen = timeline === 'latest' && own !== undefined && own <= before;
  return historyError(
    damaged,
    isOpen ? ` To stay on timeline ${before}, add --target-timeline ${before}.` : undefined,
  );
}

/** PostgreSQL will come upon one that follows; the others it does not ask for. */
function warnOfHistories(archive: Archive, { timeline }: ReachableTarget<Backup>): string[] {
  const atEnd = findDamageAtEnd(archive, timeline);
  return [...archive.damagedHistories.values()].map((damaged) =>
    damaged === atEnd
      ? `${damaged.reason}: recovery on timeline ${timeline} does not need it until it ends, and cannot end ` +
        'without it: put an undamaged copy in its place before'
      : `${damaged.reason}: this recovery does not need it`,
  );
}
