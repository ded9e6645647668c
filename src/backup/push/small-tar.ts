import { crc32c } from '@node-rs/crc32';
import type { Encoder } from '../../codec/codec.ts';
import type { ObjectStore } from '../../store/store.ts';
import { partitionKey } from '../format/keys.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../format/tar.ts';
import type { StoredTar } from './upload.ts';
import type { WalkedEntry } from './walk.ts';

/** A file whose content is at hand. */
export interface ContentFile {
  entry: WalkedEntry;
  content: Buffer;
}

/** Stores a tar of a few small files. `name` is without its extension: `pg_control.tar`. */
export async function storeSmallTar(
  store: ObjectStore,
  encoder: Encoder,
  backup: string,
  name: string,
  files: readonly ContentFile[],
  signal: AbortSignal,
): Promise<{ tar: StoredTar; files: WalkedEntry[] }> {
  const pieces: Buffer[] = [];
  for (const { entry, content } of files) {
    const mtime = new Date(Number(entry.modifiedNs / 1_000_000n));
    const header = encodeTarHeader({ ...entry, type: 'file', size: content.length, mtime });
    pieces.push(header, content, Buffer.alloc(tarPadding(content.length)));
  }
  const tar = Buffer.concat([...pieces, TAR_END]);
  const output = Buffer.allocUnsafe(encoder.bound(tar.length));
  const storedSize = await encoder.compressFrame(tar, output);
  const tarName = `${name}.${encoder.extension}`;
  await store.put(partitionKey(backup, tarName), output.subarray(0, storedSize), { signal });
  return {
    tar: { name: tarName, storedSize, members: files.map(({ entry }) => entry.name) },
    files: files.map(({ entry, content }) => ({
      ...entry,
      size: content.length,
      crc32c: crc32c(content) | 0,
    })),
  };
}
