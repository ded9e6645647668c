/** What a tar member is, apart from how its header is spelled. */
export interface TarEntry {
  /** As in the archive: a leading or trailing slash stays. Bytes that are no UTF-8: see name-bytes.ts. */
  name: string;
  type: 'file' | 'directory' | 'symlink';
  /** Bytes of the body; 0 for anything but a file. */
  size: number;
  /** Permission bits only. */
  mode: number;
  mtime: Date;
  uid: number;
  gid: number;
  /** Target of a symlink. */
  linkName?: string;
}

/** Everything in a tar is a multiple of this many bytes (POSIX.1-2008, pax, ustar interchange format). */
export const TAR_BLOCK = 512;

/** Two zero blocks end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * TAR_BLOCK);

/** Zero bytes that follow a body of `size` bytes. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/**
 * Where a member belongs below the directory that is restored, without leading, trailing or doubled
 * slashes and without `.` parts; empty for the directory itself.
 * @returns undefined when the name would lead out of it or holds a NUL
 */
export function safeMemberPath(name: string): string | undefined {
  if (name.includes('\0')) return undefined;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : parts.join('/');
}
