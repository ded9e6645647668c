/** A bucket and the folder in it under which everything lies. */
export interface S3Place {
  bucket: string;
  /** Without slashes at its ends or in a row; may be empty. */
  prefix: string;
}

/** Rules of S3 for general purpose buckets, and the capitals and underscores that older ones may have. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

export const S3_PLACE =
  's3://BUCKET/PREFIX (a bucket of 3 to 255 letters, digits, dots, hyphens and underscores, a prefix without . or .. as a name)';

/** Takes `BUCKET/PREFIX`, what follows `s3://`, apart. @returns undefined when it is none */
export function parseS3Place(text: string): S3Place | undefined {
  const [bucket = '', ...names] = text.split('/');
  const prefix = names.filter((name) => name !== '');
  // Clients resolve these as they do in paths, each in its own way.
  if (!BUCKET.test(bucket) || prefix.includes('.') || prefix.includes('..')) return undefined;
  return { bucket, prefix: prefix.join('/') };
}

/** `s3://bucket/prefix`. */
export function formatS3Place({ bucket, prefix }: S3Place): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}
