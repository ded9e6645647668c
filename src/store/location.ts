import { resolve } from 'node:path';
import { PgarcError } from '../errors.ts';

/** Where a store lies, taken apart. */
export type StoreLocation =
  | { kind: 's3'; bucket: string /** Without slashes at its ends; may be empty. */; prefix: string }
  | { kind: 'folder' /** Absolute. */; path: string };

const HINT = 'Use s3://bucket/prefix or file:///absolute/folder.';

/** Rules of S3 for general purpose buckets, and the capitals and underscores that older ones may have. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

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
  return location.prefix === '' ? `s3://${location.bucket}` : `s3://${location.bucket}/${location.prefix}`;
}

function parseS3(text: string, rest: string): StoreLocation {
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const prefix = slash < 0 ? '' : rest.slice(slash + 1).replace(/^\/+|\/+$/g, '');
  if (!BUCKET.test(bucket)) {
    throw new PgarcError('setting-invalid', `the store ${quote(text)} has no valid bucket name`, {
      hint: HINT,
    });
  }
  if (prefix.split('/').some((name) => name === '.' || name === '..')) {
    throw new PgarcError('setting-invalid', `the store ${quote(text)} has '.' or '..' in its prefix`);
  }
  return { kind: 's3', bucket, prefix };
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

/** People do paste keys into URLs (`s3://key:secret@bucket`): what is before an `@` is not repeated. */
function quote(text: string): string {
  return `'${text.replace(/\/\/[^/@]*@/, '//…@')}'`;
}
