import type { ObjectStore } from '../../store/store.ts';
import { parseTablespaceMapFile } from '../format/tablespace-map.ts';
import type { BackupContents } from './contents.ts';
import { TABLESPACE_MAP } from './plan.ts';
import { readPart } from './read-part.ts';

/** Tablespaces by the sentinel and, for what it lacks, by tablespace_map where that is in a tar of its own. */
export async function findTablespaces(
  store: ObjectStore,
  newest: BackupContents,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map(newest.tablespaces);
  const part = newest.parts.find(({ name }) => name.startsWith('backup_label.tar'));
  if (part === undefined) return found;
  const nothing = () => undefined;
  const handler = {
    directory: nothing,
    symlink: nothing,
    async file(path: string, _entry: unknown, body: AsyncIterable<Buffer>) {
      if (path !== TABLESPACE_MAP) return;
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      for (const [oid, place] of parseTablespaceMapFile(Buffer.concat(chunks))) {
        if (!found.has(oid)) found.set(oid, place);
      }
    },
  };
  await readPart(store, part, handler, nothing, signal);
  return found;
}
