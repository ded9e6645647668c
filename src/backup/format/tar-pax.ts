/** PAX extended header records: `<length> <keyword>=<value>\n` (POSIX.1-2008, pax, extended header). */
import { PgarcError } from '../../errors.ts';

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Values stay bytes: a path need not be UTF-8. */
export type PaxRecords = Map<string, Buffer>;

/** Spells records; the length counts itself. */
export function encodePax(records: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  for (const [keyword, value] of records) {
    const rest = 1 + Buffer.byteLength(keyword) + 1 + value.length + 1;
    let length = rest + String(rest).length;
    if (String(length).length > String(rest).length) length = rest + String(length).length;
    parts.push(Buffer.from(`${length} ${keyword}=`), value, Buffer.of(NEWLINE));
  }
  return Buffer.concat(parts);
}

/** Reads the body of a PAX header. @throws PgarcError `object-damaged` */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(SPACE, at);
    const digits = space < 0 || space - at > 10 ? '' : body.toString('latin1', at, space);
    const end = at + (/^[0-9]+$/.test(digits) ? Number(digits) : 0);
    const equals = body.indexOf(EQUALS, space);
    if (end <= at || end > body.length || equals < 0 || equals >= end || body[end - 1] !== NEWLINE) {
      throw new PgarcError('object-damaged', 'tar extended header is malformed');
    }
    // Copied: the body may be a view of a buffer that is reused.
    records.set(body.toString('utf8', space + 1, equals), Buffer.from(body.subarray(equals + 1, end - 1)));
    at = end;
  }
  return records;
}
