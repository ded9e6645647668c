import { diagnoseArchive } from './diagnose-archive.ts';
import { diagnoseBackups } from './diagnose-backups.ts';
import { diagnoseJobs } from './diagnose-jobs.ts';
import { diagnoseSources } from './diagnose-sources.ts';
import type { StatusFacts } from './facts.ts';
import type { Picture } from './picture.ts';

/** Something that needs attention, and what to do about it. */
export interface Trouble {
  subject: 'settings' | 'postgres' | 'store' | 'etcd' | 'daemon' | 'archive' | 'backups' | 'window' | 'jobs';
  /** Lower case, without a full stop. */
  message: string;
  /** A command to run next. */
  command: string;
}

/** All that needs attention, the most pressing first. Pure: none for a cluster that is well. */
export function diagnose(facts: StatusFacts, picture: Picture): Trouble[] {
  return [
    ...diagnoseSources(facts),
    ...diagnoseArchive(facts, picture),
    ...diagnoseBackups(facts, picture),
    ...diagnoseJobs(facts),
  ];
}
