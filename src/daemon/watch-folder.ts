import { type FSWatcher, type WatchEventType, watch } from 'node:fs';

/**
 * Tells of changes in a folder: `rename` when a file comes or goes, `change` for every write to one. A folder
 * that cannot be watched is silent, so the caller looks now and then anyway.
 * @returns ends it
 */
export function watchFolder(
  folder: string,
  onChange: (event: WatchEventType, entry: string | undefined) => void,
): () => void {
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(folder, { persistent: false }, (event, entry) => onChange(event, entry ?? undefined));
    watcher.on('error', () => watcher?.close());
  } catch {
    // Too many watches for this user, or a file system without them.
  }
  return () => watcher?.close();
}
