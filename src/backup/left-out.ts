import type { ObjectStore } from '../store/store.ts';
import { getJson } from './catalog-entry.ts';
import { noteKey } from './format/keys.ts';
import type { LeftOut } from './push/walk.ts';

/** Entries named in one message. */
const SHOWN = 5;

/** `postgresql.conf (a symbolic link to /etc/postgresql.conf) and 2 others`. There is one at least. */
export function describeLeftOut(leftOut: readonly LeftOut[]): string {
  const shown = leftOut.slice(0, SHOWN).map(({ path, kind, target }) => {
    const what = kind === 'symlink' ? `a symbolic link to ${target ?? 'somewhere'}` : 'a special file';
    return `${path.replace(/^\//, '')} (${what})`;
  });
  const more = leftOut.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} other${more > 1 ? 's' : ''}` : ''}`;
}

/** What a backup's note says of it; nothing where there is no note, or one of before it was recorded. */
export async function readLeftOut(
  store: ObjectStore,
  backup: string,
  signal: AbortSignal,
): Promise<LeftOut[]> {
  const note = await getJson(store, noteKey(backup), signal);
  const leftOut = note !== undefined && 'value' in note ? note.value.leftOut : undefined;
  return Array.isArray(leftOut) ? leftOut.filter(isLeftOut) : [];
}

function isLeftOut(value: unknown): value is LeftOut {
  const { path, kind, target } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof path === 'string' &&
    (kind === 'symlink' || kind === 'special') &&
    (target === undefined || typeof target === 'string')
  );
}
