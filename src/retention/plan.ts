import type { Backup } from '../backup/catalog.ts';
import { PgarcError } from '../errors.ts';
import { segmentBefore } from '../wal/segment.ts';
import { Chains } from './chains.ts';
import { type Decision, decide, type PolicyResult } from './policy.ts';
import type { RetentionRules } from './rules.ts';
import type { Survey } from './survey.ts';
import type { WalVolume } from './wal-files.ts';
import { planWal, type WalPlan } from './wal-plan.ts';

/** What one run of retention would do. */
export interface RetentionPlan {
  policy: PolicyResult;
  decisions: readonly Decision[];
  kept: readonly Backup[];
  dropped: readonly Backup[];
  wal: WalPlan;
  walVolume: WalVolume;
  /** What "now" was. */
  now: Date;
}

/** Plans a run from what is in the store. Pure. @throws PgarcError `refused` for a plan that must not be */
export function planRetention(survey: Survey, rules: RetentionRules | undefined, now: Date): RetentionPlan {
  const { backups, archive, wal, withoutWal } = survey;
  const { histories } = archive;
  const policy = decide({ backups, histories, storedUntil: wal.storedUntil, withoutWal, now }, rules);
  const { decisions } = policy;
  const kept = decisions.filter(({ keep }) => keep).map(({ backup }) => backup);
  const dropped = decisions.filter(({ keep }) => !keep).map(({ backup }) => backup);
  const walPlan = planWalFor(survey, policy, kept);
  const walVolume = wal.measure(walPlan, archive.segmentSize);
  const plan = { policy, decisions, kept, dropped, wal: walPlan, walVolume, now };
  assertSafe(survey, plan);
  return plan;
}

/** The WAL that may go when these backups stay. */
export function planWalFor(survey: Survey, policy: PolicyResult, kept: readonly Backup[]): WalPlan {
  const { archive, wal, backups, running } = survey;
  return planWal({ archive, wal, policy, backups, kept, running });
}

/**
 * Looks at a plan with other eyes than those that made it: a mistake in a rule must not cost a cluster its
 * last backup.
 * @throws PgarcError `refused`
 */
export function assertSafe(
  survey: Pick<Survey, 'archive' | 'backups' | 'withoutWal'>,
  { kept, dropped, wal }: Pick<RetentionPlan, 'kept' | 'dropped' | 'wal'>,
): void {
  const { archive, backups, withoutWal } = survey;
  if (dropped.length === 0 && wal.drops.length === 0) return;
  const chains = new Chains(backups);
  const isGood = (backup: Backup) => chains.isWhole(backup) && !withoutWal.has(backup.name);
  if (!kept.some(isGood)) throw refused('it would leave no backup that can be restored', dropped);
  const newest = backups
    .filter(isGood)
    .reduce((a, b) => (b.finishTime.getTime() >= a.finishTime.getTime() ? b : a));
  const gone = new Set(dropped);
  if (gone.has(newest)) throw refused(`it would drop ${newest.name}, the newest good backup`, dropped);
  const marked = dropped.find(({ permanent }) => permanent);
  if (marked !== undefined) throw refused(`it would drop ${marked.name}, which is permanent`, dropped);
  for (const backup of kept) {
    const base = chains.parents(backup).find((parent) => gone.has(parent));
    if (base !== undefined) throw refused(`${backup.name} stays and needs ${base.name}`, dropped);
    if (!backup.usable || backup.finishLsn === undefined) continue;
    const { segmentSize } = archive;
    const last = segmentBefore(backup.timeline, backup.finishLsn, segmentSize).number;
    for (let number = backup.startLsn / BigInt(segmentSize); number <= last; number++) {
      if (wal.isDropped(backup.timeline, number)) throw refused(`${backup.name} would lose its WAL`, dropped);
    }
  }
}

function refused(why: string, dropped: readonly Backup[]): PgarcError {
  return new PgarcError('refused', `the plan is not safe: ${why}`, {
    hint: 'Nothing was deleted. Please report this with the output of: pgarc backup-list --json',
    details: { dropped: dropped.map(({ name }) => name) },
  });
}
