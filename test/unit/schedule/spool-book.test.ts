import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createSpoolBook } from '../../../src/schedule/spool-book.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const { signal } = new AbortController();

it('says that the spool cannot be written, and what to do', async () => {
  const spool = join(await makeTemporaryFolder(), 'spool');
  await writeFile(spool, 'no folder');
  await expect(createSpoolBook(spool).lock('backup', signal)).rejects.toMatchObject({
    message: expect.stringMatching(/^the spool cannot be written: /),
    hint: expect.stringContaining('PGARC_SPOOL'),
  });
});

it('a job is locked for one at a time', async () => {
  const book = createSpoolBook(await makeTemporaryFolder('spool'));
  const lock = await book.lock('backup', signal);
  await expect(book.lock('backup', signal)).rejects.toMatchObject({
    code: 'locked',
    message: `the job backup is running already on this host (pid ${process.pid})`,
  });
  await (await book.lock('retain', signal)).release();
  await lock.release();
  await (await book.lock('backup', signal)).release();
});
