import { resolve } from 'node:path';
import { formatS3Place, parseS3Place, S3_PLACE, type S3Place } from '../config/s3-place.ts';
import { hideUserInfo } from '../config/user-info.ts';
import { PgarcError } from '../errors.ts';

/** Where a store lies, taken apart. */
export type StoreLocation = ({ kind: 's3' } & S3Place) | { kind: 'folder' /** Absolute. */; path: string };

const HINT = 'Use s3://bucket/prefix or file:///absolute/folder.';

/**
 * Takes `s3://bucket/prefix` or `file:///dir` apart. Nothing is percent-decoded: what is written is the name.
 * @throws PgarcError `setting-invalid`
 */
export function parseStoreLocation(text: string): StoreLocation {
  const [, scheme, rest] = /^([A-Za-z0-9]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === 's3') return parseS3(text, rest!);
  if (scheme === 'file') return parseFolder(text, rest!);
  throw new PgarcError('setting-invalid', `the store ${quote(text)} is neither s3:// nor file://`, {
    hint: HINT,
  });
}

/** Writes a location as people write it; never holds credentials. */
export function formatStoreLocation(location: StoreLocation): string {
  if (location.kind === 'folder') return `file://${location.path}`;
  return formatS3Place(location);
}

function parseS3(text: string, rest: string): StoreLocation {
  const place = parseS3Place(rest);
  if (place === undefined) {
    throw new PgarcError('setting-invalid', `the store ${quote(text)} is not ${S3_PLACE}`, { hint: HINT });
  }
  return { kind: 's3', ...place };
}

function parseFolder(text: string, rest: string): StoreLocation {
  const path = rest.startsWith('localhost/') ? rest.slice('localhost'.length) : rest;
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new PgarcError('setting-invalid', `the store ${quote(text)} is not an absolute folder`, {
      hint: HINT,
    });
  }
  return { kind: 'folder', path: resolve(path) };
}

/** People do paste keys into URLs. */
function quote(text: string): string {
  return `'${hideUserInfo(text)}'`;
}
