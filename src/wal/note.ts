import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';

/** What this host remembers of an archive, so that a push costs one request. Only ever a shortcut. */
export interface ArchiveNote {
  /** Of the cluster the archive belongs to. */
  systemIdentifier?: bigint | undefined;
  /** Of the segments this host pushed last: what it stores under another was compared with it once. */
  extension?: string | undefined;
  /** The store replaces what should only be created when absent (identity.ts). */
  ignoresCondition?: boolean | undefined;
}

/** Counts writes: the daemon makes several at the same time. */
let writes = 0;

/**
 * Reads the note on the archive in the store of that name (`ObjectStore.name`). Anything wrong with it (missing,
 * torn, of another archive) gives an empty note: the store is asked then.
 */
export async function readNote(spool: string, store: string): Promise<ArchiveNote> {
  try {
    const note: unknown = JSON.parse(await readFile(notePath(spool, store), 'utf8'));
    if (typeof note !== 'object' || note === null) return {};
    const { location: whose, systemIdentifier: id, ...rest } = note as Record<string, unknown>;
    if (whose !== store) return {};
    return {
      systemIdentifier: typeof id === 'string' && /^[0-9]{1,20}$/.test(id) ? BigInt(id) : undefined,
      extension: typeof rest.extension === 'string' ? rest.extension : undefined,
      ignoresCondition: rest.ignoresCondition === true ? true : undefined,
    };
  } catch {
    return {};
  }
}

/** Replaces the note, whole or not at all. A spool that cannot be written costs a warning, nothing else. */
export async function writeNote(spool: string, store: string, note: ArchiveNote, emit: Emit): Promise<void> {
  const path = notePath(spool, store);
  const temporary = `${path}.${process.pid}.${++writes}.tmp`;
  const text = JSON.stringify({
    location: store,
    systemIdentifier: note.systemIdentifier?.toString(),
    extension: note.extension,
    ignoresCondition: note.ignoresCondition,
  });
  try {
    await mkdir(spool, { recursive: true });
    await writeFile(temporary, `${text}\n`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    emit({
      type: 'warning',
      message: `the spool cannot be written: ${messageOf(error)}`,
      hint: 'Make it writable for this user, or set PGARC_SPOOL; until then every push asks the store more often.',
    });
  }
}

/** Where the note on the archive in a store lies. */
export function notePath(spool: string, store: string): string {
  return join(spool, `archive-${createHash('sha256').update(store).digest('hex')}.json`);
}
