import type { Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { messageOf, PgarcError } from '../errors.ts';
import { isMissing } from '../system/file-error.ts';
import { checkSegment, type SegmentHeader } from './check-segment.ts';
import { checkText, MAX_TEXT_SIZE } from './check-text.ts';
import { classifyWalFile, type WalFile } from './file-name.ts';
import { FIRST_PAGE_SIZE } from './page-header.ts';
import { readExactly } from './read-exactly.ts';

/** A WAL file on its way into the archive, checked. */
export interface WalSource {
  file: WalFile;
  handle: FileHandle;
  /** Bytes. */
  size: number;
  /** Of a segment; history files have none. */
  header: SegmentHeader | undefined;
  /** Of a segment, what was read to check it. */
  firstPage: Buffer | undefined;
  /** Closes with it. @throws PgarcError `wal-invalid` when the file was written to since it was opened */
  assertUnchanged(): Promise<void>;
}

/**
 * Opens a file that PostgreSQL wants archived and checks that it is what its name says. The caller closes
 * the handle.
 * @throws PgarcError `wal-invalid` that says what is wrong with it
 */
export async function openSource(path: string): Promise<WalSource> {
  const name = basename(path);
  const file = classifyWalFile(name);
  if (file === undefined) {
    throw new PgarcError('wal-invalid', `"${name}" is not the name of a WAL file`, {
      hint: 'archive_command must be pgarc wal-push %p.',
    });
  }
  const handle = await openFile(path);
  try {
    const before = await handle.stat();
    const checked = await check(file, handle, before, path);
    return {
      file,
      handle,
      size: before.size,
      ...checked,
      assertUnchanged: async () => assertSame(file, before, await handle.stat()),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function check(
  file: WalFile,
  handle: FileHandle,
  stat: Stats,
  path: string,
): Promise<Pick<WalSource, 'header' | 'firstPage'>> {
  const { name } = file;
  if (!stat.isFile()) throw new PgarcError('wal-invalid', `${path} is not a regular file`);
  if (file.kind === 'history' || file.kind === 'backup') {
    if (stat.size > MAX_TEXT_SIZE) {
      throw new PgarcError('wal-invalid', `${name} has ${stat.size} bytes, too many for a ${file.kind} file`);
    }
    const text = Buffer.alloc(stat.size);
    await readExactly(handle, text, 0);
    checkText(file, text);
    return { header: undefined, firstPage: undefined };
  }
  const firstPage = Buffer.alloc(Math.min(FIRST_PAGE_SIZE, stat.size));
  await readExactly(handle, firstPage, 0);
  try {
    return { header: checkSegment(file, stat.size, firstPage), firstPage };
  } catch (error) {
    if (stat.size > 0 && (await isAllZeros(handle, stat.size))) {
      throw new PgarcError(
        'wal-invalid',
        `${name} is not a WAL segment: its ${stat.size} bytes are all zeros`,
      );
    }
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    if (isMissing(cause)) {
      throw new PgarcError('wal-invalid', `${path} does not exist`, {
        cause,
        hint: 'A relative path starts where pgarc is run: for archive_command in the data directory.',
      });
    }
    throw new PgarcError('failed', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function isAllZeros(handle: FileHandle, size: number): Promise<boolean> {
  const chunk = Buffer.alloc(1024 * 1024);
  const zeros = Buffer.alloc(chunk.length);
  for (let offset = 0; offset < size; offset += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, size - offset));
    await readExactly(handle, part, offset);
    if (!part.equals(zeros.subarray(0, part.length))) return false;
  }
  return true;
}

function assertSame(file: WalFile, before: Stats, after: Stats): void {
  if (before.size === after.size && before.mtimeMs === after.mtimeMs) return;
  throw new PgarcError('wal-invalid', `${file.name} was written to while it was being archived`, {
    hint: 'It is read again when PostgreSQL offers it again; find out what writes to it.',
  });
}
