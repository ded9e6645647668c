import type { FileHandle } from 'node:fs/promises';
import { PgarcError } from '../errors.ts';

/** Fills `target` from a file. @throws PgarcError `wal-invalid` when the file ends early */
export async function readExactly(handle: FileHandle, target: Buffer, offset: number): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, offset + filled);
    if (bytesRead === 0) throw new PgarcError('wal-invalid', 'the file became shorter while it was read');
    filled += bytesRead;
  }
}
