import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRun } from '../cluster/runs.ts';
import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import { lockFile } from '../system/file-lock.ts';
import type { JobBook } from './job-book.ts';
import type { JobRecord } from './job-record.ts';
import { JOB_NAMES, type JobName } from './report.ts';

const NEVER = new AbortController().signal;

/**
 * The book of one host, in its spool: `schedule/JOB.json` and, locked while the job runs, `schedule/JOB.lock`.
 * Whoever writes a record holds the lock, so nothing is compared.
 */
export function createSpoolBook(spool: string): JobBook {
  const folder = join(spool, 'schedule');
  const read = async (job: JobName) => {
    const text = await readFile(join(folder, `${job}.json`), 'utf8').catch(() => '');
    return text === '' ? undefined : (parseRun(text) as JobRecord | undefined);
  };
  return {
    source: 'spool',
    list: async () => (await Promise.all(JOB_NAMES.map(read))).filter((record) => record !== undefined),
    read: async (job) => ({ record: await read(job), revision: undefined }),
    async write(record) {
      const path = join(folder, `${record.job}.json`);
      await makeFolder(folder);
      try {
        await writeFile(`${path}.new`, `${JSON.stringify(record)}\n`);
        await rename(`${path}.new`, path);
      } catch (cause) {
        throw unwritable(cause);
      }
      return true;
    },
    async lock(job) {
      await makeFolder(folder);
      try {
        const handle = await lockFile(join(folder, `${job}.lock`));
        return { lost: NEVER, assertHeld: async () => undefined, release: () => handle.close() };
      } catch (error) {
        if (!isPgarcError(error, 'locked')) throw error;
        const pid = error.details?.pid;
        throw new PgarcError(
          'locked',
          `the job ${job} is running already on this host${pid === undefined ? '' : ` (pid ${pid})`}`,
          { hint: 'Wait for it to end; `pgarc schedule` shows how far it is.' },
        );
      }
    },
  };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unwritable(cause);
  }
}

function unwritable(cause: unknown): PgarcError {
  return new PgarcError('failed', `the spool cannot be written: ${messageOf(cause)}`, {
    hint: 'Run pgarc as the user that owns the spool, or name another folder with PGARC_SPOOL.',
    cause,
  });
}
