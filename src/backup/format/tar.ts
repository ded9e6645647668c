/** Tar archives, written and read. */
export { safeMemberPath, TAR_BLOCK, TAR_END, type TarEntry, tarPadding } from './tar-entry.ts';
export { encodeTarHeader } from './tar-header.ts';
export { readTar, type TarMember } from './tar-reader.ts';
