import { describeLeftOut } from '../backup/left-out.ts';
import { pushBackupHere } from '../backup/push/push-here.ts';
import { verifyBackups } from '../backup/verify.ts';
import { guardStore } from '../cluster/guard-store.ts';
import type { Encoder } from '../codec/codec.ts';
import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';
import { type RetainResult, retain } from '../retention/retain.ts';
import { rulesOf } from '../retention/rules.ts';
import { warningsOf } from '../retention/warnings.ts';
import type { ObjectStore } from '../store/store.ts';
import type { JobResult } from './job-record.ts';
import type { Deleted, JobName } from './report.ts';
import type { Operate, RunContext } from './run-job.ts';

export interface OperationDeps {
  settings: Settings;
  store: ObjectStore;
  encoder: Encoder;
}

type Operation = (deps: OperationDeps, context: RunContext, signal: AbortSignal) => Promise<JobResult>;

const OPERATIONS: Readonly<Record<JobName, Operation>> = {
  async backup(deps, { emit }, signal) {
    const { name, damagedPages, leftOut } = await pushBackupHere(
      { ...deps, emit },
      { permanent: false },
      signal,
    );
    const warnings: string[] = [];
    if (damagedPages.length > 0) warnings.push(`it has ${damagedPages.length} damaged pages`);
    if (leftOut.length > 0) warnings.push(`it lacks ${describeLeftOut(leftOut)}`);
    if (warnings.length === 0) return { outcome: 'ok', backup: name };
    return { outcome: 'warnings', backup: name, message: warnings.join('; ') };
  },

  async retain({ settings, store }, { emit }, signal) {
    const rules = rulesOf(settings);
    if (rules === undefined) {
      throw new PgarcError('setting-invalid', 'no rule of retention is set: nothing would ever be deleted', {
        hint: 'Set keep-window or another of the rules in docs/retention.md.',
      });
    }
    const result = await retain({ store, emit }, { rules, confirm: true }, signal);
    const warnings = warningsOf(result);
    const deleted = countDeleted(result);
    if (warnings.length === 0) return { outcome: 'ok', deleted };
    return { outcome: 'warnings', deleted, message: warnings.join('; ') };
  },

  async verify({ settings, store }, { emit }, signal) {
    const options = { name: 'LATEST', concurrency: settings.downloadConcurrency };
    const { backups, failures } = await verifyBackups({ store, emit }, options, signal);
    const backup = backups.at(-1);
    if (failures.length === 0) return { outcome: 'ok', backup };
    const [first] = failures;
    throw new PgarcError(
      'object-damaged',
      `verification failed for ${failures.length} of the objects of ${backup}, the first ${first!.key}: ${first!.reason}`,
      { hint: 'What they hold cannot be restored: take a new backup with `pgarc backup-push`.' },
    );
  },
};

/** The jobs as they are really done, with what cannot be undone guarded by the job's lock. */
export function createOperations(deps: OperationDeps): Operate {
  return (job, context, signal) => {
    const store = guardStore(deps.store, { name: job, assertHeld: context.assertHeld });
    return OPERATIONS[job]({ ...deps, store }, context, signal);
  };
}

function countDeleted({ plan, total, applied }: RetainResult): Deleted {
  if (applied === undefined) return { backups: 0, segments: 0, objects: 0, bytes: 0 };
  const segments = plan.wal.drops.reduce((sum, { first, last }) => sum + Number(last - first + 1n), 0);
  return { backups: applied.backups.length, segments, objects: applied.objects, bytes: total.bytes };
}
