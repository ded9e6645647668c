import { formatCount } from '../report/units.ts';
import type { RetainResult } from './retain.ts';

/** What somebody should look after. */
export function warningsOf({ survey, plan, applied }: RetainResult): string[] {
  const damaged = survey.backups.filter(({ usable }) => !usable);
  const kept = new Set(plan.kept);
  const incomplete = survey.backups.filter(
    (backup) => survey.withoutWal.has(backup.name) && kept.has(backup),
  );
  return [
    ...damaged.map(
      ({ name, warnings }) =>
        `${name} is damaged and stays until it is deleted by name: ${warnings.join('; ')}`,
    ),
    ...survey.backups
      .filter(({ usable, isMarkUnknown }) => usable && isMarkUnknown)
      .map(
        ({ name, warnings }) =>
          `${name} stays until \`pgarc backup-mark ${name} --impermanent\` or an undamaged metadata.json says that it may go: ${warnings.join('; ')}`,
      ),
    ...incomplete.map(({ name }) => `${name} cannot be recovered: some of its WAL is not in the archive`),
    ...(applied === undefined || applied.refused.objects === 0
      ? []
      : [
          `the store would not delete ${formatCount(applied.refused.objects, 'object')}: ${applied.refused.reasons.join('; ')}`,
        ]),
  ];
}
