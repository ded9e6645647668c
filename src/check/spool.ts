import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { quoteForShell } from '../report/shell.ts';
import { formatBytes } from '../report/units.ts';
import type { Finding } from './finding.ts';

/** Less room than this, bytes, is worth a warning: 64 segments of the usual size. */
const LITTLE_ROOM = 1024 ** 3;
const WRITABLE_BY_OTHERS = 0o022;

/** Makes the spool when it is not there, and writes, renames and removes a file in it. */
export async function checkSpool(spool: string): Promise<Finding> {
  await mkdir(spool, { recursive: true, mode: 0o700 });
  const probe = join(spool, `.check-${randomUUID()}`);
  try {
    const file = await open(probe, 'wx', 0o600);
    try {
      await file.writeFile('probe\n');
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(probe, `${probe}.renamed`);
  } finally {
    await rm(probe, { force: true });
    await rm(`${probe}.renamed`, { force: true });
  }
  const { mode } = await stat(spool);
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    return {
      name: 'spool',
      status: 'warning',
      message: `other users may write to ${spool}`,
      hint: `Take that away: chmod go-w ${quoteForShell(spool)}`,
    };
  }
  const { bavail, bsize } = await statfs(spool);
  const room = bavail * bsize;
  const message = `${spool} is writable, ${formatBytes(room)} free`;
  if (room >= LITTLE_ROOM) return { name: 'spool', status: 'ok', message };
  return {
    name: 'spool',
    status: 'warning',
    message,
    hint: 'Make room, or set PGARC_SPOOL to another folder.',
  };
}
