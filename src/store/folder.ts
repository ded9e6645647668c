import type { Emit } from '../report/events.ts';
import { removeFiles } from './folder/delete.ts';
import { listFiles } from './folder/list.ts';
import { readWhole, statFile, streamFile } from './folder/read.ts';
import type { FolderContext } from './folder/root.ts';
import { sweepTemporaryFiles } from './folder/sweep.ts';
import { createOnly, replace, settle, syncPath, writeFile } from './folder/write.ts';
import { assertKey } from './key.ts';
import { formatStoreLocation } from './location.ts';
import type { ObjectStore } from './store.ts';

/** Largest object `get` reads unless told otherwise, bytes. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/**
 * A store in a directory: one file an object, the key is its path. Objects appear whole: they are written
 * under a temporary name beside their place, synced, then renamed (or linked, where only an absent one may be
 * created), and the directory is synced.
 *
 * The directory itself must exist and is never created: where a file system is not mounted, creating it would
 * fill the wrong disk and "no such object" would end a recovery early.
 * @param sync makes a file, or the names in a folder, durable
 */
export function openFolderStore(root: string, emit: Emit, sync = syncPath): ObjectStore {
  const context: FolderContext = { root, emit, canLink: true, settled: new Set(), sync };
  const location = formatStoreLocation({ kind: 'folder', path: root });
  return {
    location,
    name: location,
    isLocal: true,

    async put(key, body, { signal } = {}) {
      assertKey(key);
      await writeFile(context, key, [body], replace, signal);
    },
    async putIfAbsent(key, body, { signal } = {}) {
      assertKey(key);
      // Spares the writing where the answer is known; link(2) decides.
      if ((await statFile(context, key, signal)) !== undefined) {
        await settle(context, key);
        return 'exists';
      }
      return (await writeFile(context, key, [body], createOnly, signal)).outcome;
    },
    async putStream(key, body, { signal } = {}) {
      assertKey(key);
      return (await writeFile(context, key, body, replace, signal)).bytes;
    },
    async putStreamIfAbsent(key, body, { signal } = {}) {
      assertKey(key);
      return (await writeFile(context, key, body, createOnly, signal)).outcome;
    },
    async settle(key) {
      assertKey(key);
      await settle(context, key);
    },
    async get(key, { signal, maxBytes = DEFAULT_MAX_BYTES } = {}) {
      assertKey(key);
      return readWhole(context, key, maxBytes, signal);
    },
    async getStream(key, { signal } = {}) {
      assertKey(key);
      return streamFile(context, key, signal);
    },
    async head(key, { signal } = {}) {
      assertKey(key);
      return statFile(context, key, signal);
    },
    list: (prefix, options = {}) => listFiles(context, prefix, options),
    async delete(keys, { signal } = {}) {
      for (const key of keys) assertKey(key);
      await removeFiles(context, keys, signal);
    },
    sweep: (before, { signal } = {}) => sweepTemporaryFiles(context, before, signal),
    close: () => undefined,
  };
}
