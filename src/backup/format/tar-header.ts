/** The 512-byte ustar header (POSIX.1-2008, pax, ustar interchange format) and its GNU dialect. */
import { PgarcError } from '../../errors.ts';
import { encodeName } from './name-bytes.ts';
import { TAR_BLOCK, type TarEntry, tarPadding } from './tar-entry.ts';
import { encodePax } from './tar-pax.ts';

const NAME = { at: 0, length: 100 };
const MODE = { at: 100, length: 8 };
const UID = { at: 108, length: 8 };
const GID = { at: 116, length: 8 };
const SIZE = { at: 124, length: 12 };
const MTIME = { at: 136, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE_FLAG = 156;
const LINK_NAME = { at: 157, length: 100 };
const MAGIC = { at: 257, length: 6 };
const VERSION = { at: 263, length: 2 };
const PREFIX = { at: 345, length: 155 };

const TYPE_FLAGS = { file: '0', symlink: '2', directory: '5' } as const;
const SPACE = 0x20;
const SLASH = 0x2f;

interface Field {
  at: number;
  length: number;
}

/** A header as it lies in the archive, before extended headers are applied. Names are bytes. */
export interface RawHeader {
  typeFlag: string;
  name: Buffer;
  linkName: Buffer;
  size: number;
  mode: number;
  mtimeSeconds: number;
  uid: number;
  gid: number;
}

/**
 * Spells a member's header: 512 bytes, with a PAX header before it when a name is not ASCII or a field is
 * too narrow. The body and its padding (tarPadding) follow.
 */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const name = encodeName(entry.name);
  const linkName = encodeName(entry.linkName ?? '');
  const mtime = Math.floor(entry.mtime.getTime() / 1000);
  const size = entry.type === 'file' ? entry.size : 0;
  const split = splitName(name);

  const pax = new Map<string, Buffer>();
  if (split === undefined) pax.set('path', name);
  if (!isPlain(linkName) || linkName.length > LINK_NAME.length) pax.set('linkpath', linkName);
  for (const [keyword, value, field] of [
    ['size', size, SIZE],
    ['mtime', mtime, MTIME],
    ['uid', entry.uid, UID],
    ['gid', entry.gid, GID],
  ] as const) {
    if (!fitsOctal(value, field)) pax.set(keyword, Buffer.from(String(value)));
  }

  const header = {
    typeFlag: TYPE_FLAGS[entry.type] as string,
    name: split?.name ?? toAscii(name),
    prefix: split?.prefix ?? Buffer.alloc(0),
    linkName: pax.has('linkpath') ? toAscii(linkName) : linkName,
    size,
    mode: entry.mode & 0o7777,
    mtimeSeconds: mtime,
    uid: entry.uid,
    gid: entry.gid,
  };
  if (pax.size === 0) return encodeHeader(header);
  const records = encodePax(pax);
  const extended = {
    ...header,
    typeFlag: 'x',
    name: Buffer.from('PaxHeaders'),
    prefix: Buffer.alloc(0),
    size: records.length,
  };
  return Buffer.concat([
    encodeHeader(extended),
    records,
    Buffer.alloc(tarPadding(records.length)),
    encodeHeader(header),
  ]);
}

/** Reads a header block and verifies its checksum. @throws PgarcError `object-damaged` */
export function parseTarHeader(block: Buffer): RawHeader {
  if (!hasValidChecksum(block)) throw new PgarcError('object-damaged', 'tar header has a wrong checksum');
  const isUstar = block.toString('latin1', MAGIC.at, MAGIC.at + MAGIC.length) === 'ustar\0';
  const prefix = isUstar ? readBytes(block, PREFIX) : Buffer.alloc(0);
  const name = readBytes(block, NAME);
  return {
    typeFlag: String.fromCharCode(block[TYPE_FLAG]!),
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.of(SLASH), name]) : name,
    linkName: readBytes(block, LINK_NAME),
    size: readNumber(block, SIZE),
    mode: readNumber(block, MODE) & 0o7777,
    mtimeSeconds: readNumber(block, MTIME),
    uid: readNumber(block, UID),
    gid: readNumber(block, GID),
  };
}

/** Cuts a name at a slash into prefix and name. @returns undefined when it does not fit or is not ASCII */
function splitName(name: Buffer): { prefix: Buffer; name: Buffer } | undefined {
  if (!isPlain(name)) return undefined;
  if (name.length <= NAME.length) return { prefix: Buffer.alloc(0), name };
  const slash = name.indexOf(SLASH, Math.max(1, name.length - NAME.length - 1));
  if (slash < 0 || slash > PREFIX.length || slash === name.length - 1) return undefined;
  return { prefix: name.subarray(0, slash), name: name.subarray(slash + 1) };
}

function encodeHeader(header: RawHeader & { prefix: Buffer }): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  header.name.copy(block, NAME.at, 0, NAME.length);
  writeOctal(block, MODE, header.mode);
  writeOctal(block, UID, header.uid);
  writeOctal(block, GID, header.gid);
  writeOctal(block, SIZE, header.size);
  writeOctal(block, MTIME, header.mtimeSeconds);
  block.write(header.typeFlag, TYPE_FLAG, 'latin1');
  header.linkName.copy(block, LINK_NAME.at, 0, LINK_NAME.length);
  block.write('ustar\0', MAGIC.at, 'latin1');
  block.write('00', VERSION.at, 'latin1');
  header.prefix.copy(block, PREFIX.at, 0, PREFIX.length);
  block.fill(SPACE, CHECKSUM.at, CHECKSUM.at + CHECKSUM.length);
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK; at++) sum += block[at]!;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.at, 'latin1');
  return block;
}

function fitsOctal(value: number, field: Field): boolean {
  return value >= 0 && value < 8 ** (field.length - 1);
}

/** What does not fit is written as 0: a PAX record says it. */
function writeOctal(block: Buffer, field: Field, value: number): void {
  const digits = fitsOctal(value, field) ? value.toString(8) : '0';
  block.write(digits.padStart(field.length - 1, '0'), field.at, 'latin1');
}

function hasValidChecksum(block: Buffer): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < TAR_BLOCK; at++) {
    const isChecksum = at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.length;
    const byte = isChecksum ? SPACE : block[at]!;
    unsigned += byte;
    signed += (byte << 24) >> 24;
  }
  const stored = readNumber(block, CHECKSUM);
  // Some old tars added up signed chars.
  return stored === unsigned || stored === signed;
}

/** Octal, or GNU's big-endian binary with the top bit set; blank counts as 0. */
function readNumber(block: Buffer, field: Field): number {
  const first = block[field.at]!;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    if (value & 0x40) throw new PgarcError('object-damaged', 'tar header holds a negative number');
    for (let at = 1; at < field.length; at++) value = value * 256 + block[field.at + at]!;
    if (!Number.isSafeInteger(value))
      throw new PgarcError('object-damaged', 'tar header holds an absurd number');
    return value;
  }
  const text = block.toString('latin1', field.at, field.at + field.length);
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined) throw new PgarcError('object-damaged', 'tar header holds a malformed number');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function readBytes(block: Buffer, field: Field): Buffer {
  const end = block.indexOf(0, field.at);
  const limit = field.at + field.length;
  return block.subarray(field.at, end < 0 || end > limit ? limit : end);
}

function isPlain(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte >= 0x80 || byte === 0) return false;
  return true;
}

function toAscii(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(0, NAME.length).map((byte) => (byte >= 0x80 ? 0x5f : byte)));
}
