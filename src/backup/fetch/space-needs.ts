import type { BackupContents } from './contents.ts';
import type { SpaceNeed } from './destination.ts';
import type { Tablespace } from './tablespaces.ts';

/** What goes where, by the manifest; without one only the sum is known. */
export function spaceNeeds(
  newest: BackupContents,
  tablespaces: readonly Tablespace[],
  pgdata: string,
): SpaceNeed[] {
  if (newest.manifest === undefined) {
    const bytes = newest.backup.dataSize ?? newest.backup.uncompressedSize ?? 0;
    return [{ paths: [pgdata, ...tablespaces.map(({ to }) => to)], bytes }];
  }
  const places = new Map(tablespaces.map(({ oid, to }) => [oid, to]));
  const sums = new Map<string, number>([[pgdata, 0]]);
  for (const { path, size } of newest.manifest.files) {
    const oid = path.startsWith('pg_tblspc/') ? (path.split('/')[1] ?? '') : '';
    const place = places.get(oid) ?? pgdata;
    sums.set(place, (sums.get(place) ?? 0) + size);
  }
  return [...sums].map(([place, bytes]) => ({ paths: [place], bytes }));
}
