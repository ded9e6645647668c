import { TAR_BLOCK, tarPadding } from '../format/tar.ts';
import type { WalkedEntry } from './walk.ts';

/** The files of one tar. */
export interface Part {
  files: WalkedEntry[];
  /** Bytes of the tar, about. */
  size: number;
}

/** Files up to this size share a tar; a larger one has its own, because a file cannot be in two. */
const PART_SIZE = 64 * 1024 * 1024;

/**
 * Divides files into tars, the largest first, so that the long ones do not begin last. Small files stay in
 * the order they were walked in. There is always one part, for the directories.
 */
export function planParts(files: readonly WalkedEntry[], partSize: number = PART_SIZE): Part[] {
  const parts: Part[] = [];
  let open: Part | undefined;
  for (const file of files) {
    const size = TAR_BLOCK + file.size + tarPadding(file.size);
    if (size >= partSize) {
      parts.push({ files: [file], size });
      continue;
    }
    if (open === undefined || open.size + size > partSize) {
      open = { files: [], size: 0 };
      parts.push(open);
    }
    open.files.push(file);
    open.size += size;
  }
  if (parts.length === 0) parts.push({ files: [], size: 0 });
  return parts.sort((one, other) => other.size - one.size);
}

/** `part_001.tar.lz4`; `index` counts from 0. */
export function partName(index: number, extension: string): string {
  return `part_${String(index + 1).padStart(3, '0')}.tar.${extension}`;
}
