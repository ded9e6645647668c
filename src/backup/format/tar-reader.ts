/** Reads tar streams as pgarc, WAL-G, WAL-E, GNU tar and bsdtar write them: ustar, PAX, GNU long names. */

import { ByteSource } from '../../codec/byte-source.ts';
import { PgarcError } from '../../errors.ts';
import { decodeName } from './name-bytes.ts';
import { TAR_BLOCK, type TarEntry, tarPadding } from './tar-entry.ts';
import { parseTarHeader, type RawHeader } from './tar-header.ts';
import { type PaxRecords, parsePax } from './tar-pax.ts';

/** Far above PATH_MAX: no honest extended header is longer, and it is held in memory. */
const MAX_EXTENDED_HEADER = 1024 * 1024;

/** Extended headers in a row before one member; an honest archive has at most three. */
const MAX_EXTENSIONS = 16;

/** A member; its body is read or skipped before the next member is asked for. */
export interface TarMember {
  entry: TarEntry;
  /** Chunks are views, valid until the next chunk or member is asked for. Can be read once. */
  body: AsyncIterable<Buffer>;
}

/**
 * Reads an archive in the order it was written, in constant memory. Names are handed out as they are:
 * whoever makes paths of them checks them (safeMemberPath).
 * @param mayEndAfter whether the archive may end behind a whole member, without its end mark; never when left out
 * @throws PgarcError `object-damaged` for a wrong header, a truncated archive, one without its end mark,
 *   or one with other bytes after it
 */
export async function* readTar(
  input: AsyncIterable<Buffer>,
  mayEndAfter?: (entry: TarEntry) => boolean,
): AsyncGenerator<TarMember> {
  const source = new ByteSource(input, 'tar');
  try {
    for (;;) {
      const header = await readHeader(source);
      if (header === undefined) break;
      const entry = toEntry(header);
      const body = new MemberBody(source, entry.size);
      yield { entry, body };
      if (body.left > 0) await source.skip(body.left);
      const mayEnd = mayEndAfter?.(entry) === true;
      // Go's writer pads a body when the next member comes or the archive is closed.
      if (mayEnd && (await source.isAtEnd())) return;
      const padding = tarPadding(entry.size);
      if (padding > 0 && source.takeNow(padding) === undefined) await source.skip(padding);
      if (mayEnd && (await source.isAtEnd())) return;
    }
    await readEnd(source);
  } finally {
    await source.close();
  }
}

class MemberBody implements AsyncIterable<Buffer>, AsyncIterator<Buffer> {
  left: number;
  readonly #source: ByteSource;

  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.left = size;
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return this;
  }

  async next(): Promise<IteratorResult<Buffer>> {
    if (this.left === 0) return { done: true, value: undefined };
    const value = this.#source.takeNow(this.left) ?? (await this.#source.takeSome(this.left));
    this.left -= value.length;
    return { done: false, value };
  }
}

/** A member's header with its extended headers applied, or undefined at the first block of the end mark. */
async function readHeader(source: ByteSource): Promise<RawHeader | undefined> {
  const pax: PaxRecords = new Map();
  for (let extensions = 0; extensions <= MAX_EXTENSIONS; extensions++) {
    const block = source.takeNow(TAR_BLOCK) ?? (await source.take(TAR_BLOCK));
    if (isZero(block)) {
      if (extensions > 0) throw new PgarcError('object-damaged', 'tar ends after an extended header');
      return undefined;
    }
    const header = parseTarHeader(block);
    switch (header.typeFlag) {
      case 'x':
        for (const [keyword, value] of parsePax(await readExtension(source, header))) pax.set(keyword, value);
        break;
      case 'g':
        await readExtension(source, header);
        break;
      case 'L':
        pax.set('path', upToNul(await readExtension(source, header)));
        break;
      case 'K':
        pax.set('linkpath', upToNul(await readExtension(source, header)));
        break;
      default:
        return applyPax(header, pax);
    }
  }
  throw new PgarcError('object-damaged', 'tar has too many extended headers in a row');
}

async function readExtension(source: ByteSource, header: RawHeader): Promise<Buffer> {
  if (header.size > MAX_EXTENDED_HEADER) {
    throw new PgarcError('object-damaged', `tar has an extended header of ${header.size} bytes`);
  }
  const padded = await source.take(header.size + tarPadding(header.size));
  return Buffer.from(padded.subarray(0, header.size));
}

function applyPax(header: RawHeader, pax: PaxRecords): RawHeader {
  if (pax.size === 0) return header;
  for (const keyword of pax.keys()) {
    if (keyword.startsWith('GNU.sparse.')) {
      throw new PgarcError('object-damaged', 'tar has a sparse member, which no backup tool writes');
    }
  }
  return {
    ...header,
    name: pax.get('path') ?? header.name,
    linkName: pax.get('linkpath') ?? header.linkName,
    size: readDecimal(pax, 'size') ?? header.size,
    mtimeSeconds: readDecimal(pax, 'mtime') ?? header.mtimeSeconds,
    uid: readDecimal(pax, 'uid') ?? header.uid,
    gid: readDecimal(pax, 'gid') ?? header.gid,
  };
}

function readDecimal(pax: PaxRecords, keyword: string): number | undefined {
  const text = pax.get(keyword)?.toString('latin1');
  if (text === undefined) return undefined;
  const value = Number(text);
  const isValid = keyword === 'mtime' ? /^-?[0-9]+(\.[0-9]*)?$/.test(text) : /^[0-9]+$/.test(text);
  if (!isValid || value > Number.MAX_SAFE_INTEGER) {
    throw new PgarcError('object-damaged', `tar extended header has a malformed ${keyword}`);
  }
  return value;
}

function toEntry(header: RawHeader): TarEntry {
  const name = decodeName(header.name);
  const type = typeOf(header, name);
  const entry: TarEntry = {
    name,
    type,
    // Only files have a body, whatever the field says (as Go's archive/tar reads it).
    size: type === 'file' ? header.size : 0,
    mode: header.mode,
    mtime: new Date(Math.floor(header.mtimeSeconds * 1000)),
    uid: header.uid,
    gid: header.gid,
  };
  if (type === 'symlink') entry.linkName = decodeName(header.linkName);
  return entry;
}

function typeOf(header: RawHeader, name: string): TarEntry['type'] {
  switch (header.typeFlag) {
    case '0':
    case '7':
      return 'file';
    case '\0':
      // Tars older than POSIX marked a directory by its name only.
      return name.endsWith('/') ? 'directory' : 'file';
    case '2':
      return 'symlink';
    case '5':
      return 'directory';
    default:
      throw new PgarcError(
        'object-damaged',
        `tar member ${name} has unknown type ${JSON.stringify(header.typeFlag)}`,
      );
  }
}

/** The second zero block and, as padding to a record, nothing but zeros. */
async function readEnd(source: ByteSource): Promise<void> {
  if (!isZero(await source.take(TAR_BLOCK))) {
    throw new PgarcError('object-damaged', 'tar goes on after a zero block');
  }
  for await (const piece of source.rest()) {
    if (!isZero(piece)) throw new PgarcError('object-damaged', 'tar has foreign bytes after its end mark');
  }
}

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

function upToNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
