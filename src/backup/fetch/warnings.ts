import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { readIdentity } from '../../wal/identity.ts';
import type { Backup } from '../catalog.ts';
import { describeLeftOut, readLeftOut } from '../left-out.ts';
import type { BackupContents } from './contents.ts';
import type { KeptBack } from './extract.ts';
import type { Owner } from './owner.ts';
import type { Progress } from './progress.ts';

/** What makes a finished restore less than perfect. */
export function collectWarnings(
  newest: BackupContents,
  kept: KeptBack,
  progress: Progress,
  owner: Owner | undefined,
): string[] {
  const warnings: string[] = [...newest.backup.warnings];
  const [foreign] = kept.foreign;
  if (foreign !== undefined) {
    warnings.push(
      kept.foreign.length === 1
        ? `1 file that the backup does not list was left out: ${foreign}`
        : `${kept.foreign.length} files that the backup does not list were left out, the first is ${foreign}`,
    );
  }
  for (const { path, target } of kept.links) {
    warnings.push(`${path} is a symlink to ${target}, whose contents are not in the backup`);
  }
  const { kind, uncompressedSize = 0 } = newest.backup;
  if (kind === 'wal-e' && progress.doneBytes < uncompressedSize) {
    warnings.push(
      `the backup holds ${progress.doneBytes} of the ${uncompressedSize} bytes that its sentinel tells; ` +
        'files that were dropped during the backup explain that, and so does a lost object',
    );
  }
  if (process.getuid?.() === 0 && owner === undefined) {
    warnings.push('the files belong to root, and PostgreSQL does not start as root: chown them to its user');
  }
  return warnings;
}

/** What the data directory held besides the backup, as pgarc notes it. */
export async function collectLeftOut(
  store: ObjectStore,
  backup: Backup,
  signal: AbortSignal,
): Promise<string[]> {
  const leftOut = await readLeftOut(store, backup.name, signal);
  if (leftOut.length === 0) return [];
  return [`the backup lacks ${describeLeftOut(leftOut)}: put back what the server needs before you start it`];
}

/** The WAL beside a backup of another cluster cannot be replayed onto it. */
export async function warnOfForeignArchive(
  { store, emit }: { store: ObjectStore; emit: Emit },
  backup: Backup,
  signal: AbortSignal,
): Promise<void> {
  const owner = await readIdentity(store, signal);
  if (owner === undefined || backup.systemIdentifier === undefined || owner === backup.systemIdentifier)
    return;
  emit({
    type: 'warning',
    message: `the archive belongs to the cluster with system identifier ${owner}, and backup ${backup.name} is of ${backup.systemIdentifier}`,
  });
}
