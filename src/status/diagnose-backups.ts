import { quoteForShell } from '../report/shell.ts';
import { formatAge, formatCount } from '../report/units.ts';
import type { Trouble } from './diagnose.ts';
import type { StatusFacts } from './facts.ts';
import { answered, type Picture } from './picture.ts';

/** Whether there are backups, and moments to recover to. */
export function diagnoseBackups(facts: StatusFacts, picture: Picture): Trouble[] {
  return [...diagnoseList(facts, picture), ...diagnoseWindow(picture)];
}

function diagnoseList({ now, jobs, postgres, files }: StatusFacts, { backups, newest }: Picture): Trouble[] {
  if (backups === undefined) return [];
  const found: Trouble[] = [];
  const add = (message: string, command: string) => found.push({ subject: 'backups', message, command });
  if (newest === undefined) {
    add(
      backups.value.length === 0
        ? 'there is no backup: WAL alone cannot be recovered'
        : `no backup can be used: ${blameSentinels(backups.value.length)}`,
      'pgarc backup-push',
    );
    return found;
  }
  const server = answered(postgres)?.systemIdentifier ?? answered(files)?.systemIdentifier;
  const archived = newest.systemIdentifier?.toString();
  if (server !== undefined && archived !== undefined && server !== archived) {
    add(
      `the newest backup is of the cluster ${archived}, and this one is ${server}: it needs a prefix of its own`,
      'pgarc config show',
    );
  }
  const damaged = backups.value.filter(({ usable }) => !usable);
  if (damaged.length > 0) {
    add(
      `${formatCount(damaged.length, 'backup')} cannot be used: ${blameSentinels(damaged.length)}`,
      `pgarc verify ${quoteForShell(damaged[0]!.name)}`,
    );
  }
  // Two scheduled times have passed: the last one may be late, the one before is not.
  const [before, last] = answered(jobs)?.backupTimes ?? [];
  if (before !== undefined && last !== undefined && newest.finishTime < before) {
    const age = formatAge(newest.finishTime, now);
    add(
      `the newest backup was finished ${age}, and two scheduled times have passed since`,
      'pgarc schedule run backup',
    );
  }
  return found;
}

function blameSentinels(count: number): string {
  return count === 1 ? 'its sentinel is damaged' : 'their sentinels are damaged';
}

function diagnoseWindow({ scan, newest }: Picture): Trouble[] {
  if (scan === undefined) return [];
  const { at, window, gaps, missingSegments, missing, broken, brokenCount, segments } = scan.value;
  const found: Trouble[] = [];
  const add = (message: string, command: string) => found.push({ subject: 'window', message, command });
  if (gaps > 0) {
    const [first] = missing;
    const where = first === undefined ? '' : `, from ${first.first} on`;
    add(
      `${formatCount(missingSegments, 'WAL segment')} missing inside the window${where}`,
      'pgarc wal-verify',
    );
  }
  if (brokenCount > 0) {
    const more = brokenCount > 1 ? ` and ${brokenCount - 1} more` : '';
    add(`${broken[0]}${more} cannot be recovered: some of the WAL it needs is missing`, 'pgarc wal-verify');
  } else if (window === null && newest !== undefined && Date.parse(at) > newest.finishTime.getTime()) {
    add(
      segments === 0
        ? 'the archive holds no WAL, and no backup can do without'
        : 'no moment can be recovered',
      'pgarc wal-verify',
    );
  }
  return found;
}
