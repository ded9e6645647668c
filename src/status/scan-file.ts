import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveScan } from './archive-scan.ts';

/** In the spool: what the daemon's last listing of the WAL told. */
const FILE = 'archive-scan.json';

/** Keeps a scan for `pgarc status`. @throws the system's error */
export async function writeScan(spool: string, location: string, scan: ArchiveScan): Promise<void> {
  const path = join(spool, FILE);
  await writeFile(`${path}.new`, `${JSON.stringify({ location, scan })}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The scan of that store that was kept last; undefined when there is none, or it makes no sense. */
export async function readScan(spool: string, location: string): Promise<ArchiveScan | undefined> {
  try {
    const document = JSON.parse(await readFile(join(spool, FILE), 'utf8')) as {
      location?: unknown;
      scan?: Partial<ArchiveScan>;
    };
    const { scan } = document;
    const isWhole =
      document.location === location &&
      !Number.isNaN(Date.parse(scan?.at ?? '')) &&
      [scan?.gaps, scan?.missingSegments, scan?.segments, scan?.storedBytes, scan?.brokenCount].every(
        (value) => Number.isFinite(value),
      ) &&
      Array.isArray(scan?.newest) &&
      Array.isArray(scan?.missing) &&
      Array.isArray(scan?.broken) &&
      (scan?.window === null || typeof scan?.window === 'object');
    return isWhole ? (scan as ArchiveScan) : undefined;
  } catch {
    return undefined;
  }
}
