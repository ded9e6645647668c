/**
 * File names are bytes to the file system and text here. A byte that is not part of UTF-8 becomes a lone
 * surrogate U+DC80 to U+DCFF, which no valid name can contain, so that every name survives the way there
 * and back (the scheme of Python's PEP 383).
 */
import { isAscii, isUtf8 } from 'node:buffer';

const ESCAPED = /[\uDC80-\uDCFF]/;
const LONE_ESCAPED = /[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uDC80-\uDCFF]/g;

/** Reads a name from its bytes. */
export function decodeName(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isAscii(buffer)) return buffer.toString('latin1');
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let name = '';
  for (let at = 0; at < buffer.length; ) {
    const length = sequenceLength(buffer, at);
    name += length > 0 ? buffer.toString('utf8', at, at + length) : escapeByte(buffer[at]!);
    at += length > 0 ? length : 1;
  }
  return name;
}

/** The bytes of a name, for an archive or as a path for node:fs. */
export function encodeName(name: string): Buffer {
  if (!hasRawBytes(name)) return Buffer.from(name, 'utf8');
  const parts: Buffer[] = [];
  let at = 0;
  for (const match of name.matchAll(LONE_ESCAPED)) {
    if (match[0].length === 2) continue;
    parts.push(
      Buffer.from(name.slice(at, match.index), 'utf8'),
      Buffer.of(name.charCodeAt(match.index) & 0xff),
    );
    at = match.index + 1;
  }
  parts.push(Buffer.from(name.slice(at), 'utf8'));
  return Buffer.concat(parts);
}

/** The name as node:fs takes it. */
export function toPath(name: string): string | Buffer {
  return hasRawBytes(name) ? encodeName(name) : name;
}

/** True when the name holds bytes that are not UTF-8. */
export function hasRawBytes(name: string): boolean {
  return ESCAPED.test(name) && !name.isWellFormed();
}

function sequenceLength(buffer: Buffer, at: number): number {
  const lead = buffer[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return at + length <= buffer.length && isUtf8(buffer.subarray(at, at + length)) ? length : 0;
}

function escapeByte(byte: number): string {
  return String.fromCharCode(0xdc00 | byte);
}
