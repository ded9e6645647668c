import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { readNote, writeNote } from '../../../src/wal/note.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const ignore = () => undefined;

describe('the note on an archive', () => {
  it('comes back as it was written, for this archive only', async () => {
    const spool = join(await makeTemporaryFolder(), 'not', 'yet', 'there');
    const note = { systemIdentifier: 2n ** 64n - 1n, extension: 'lz4', ignoresCondition: true };
    await writeNote(spool, 's3://a/b', note, ignore);
    expect(await readNote(spool, 's3://a/b')).toEqual(note);
    expect(await readNote(spool, 's3://a/c')).toEqual({});
    expect(await readdir(spool)).toHaveLength(1);
  });

  it.each(['', '{', 'null', '[]', '{"location":"s3://x/y","systemIdentifier":"1"}', '\0\0\0'])(
    'is ignored when it holds %j',
    async (text) => {
      const spool = await makeTemporaryFolder();
      await writeNote(spool, 's3://a/b', { systemIdentifier: 1n }, ignore);
      const [name = ''] = await readdir(spool);
      await writeFile(join(spool, name), text);
      expect(await readNote(spool, 's3://a/b')).toEqual({});
    },
  );

  it('warns and goes on when the spool cannot be written', async () => {
    const folder = await makeTemporaryFolder();
    await writeFile(join(folder, 'spool'), 'a file where the folder should be');
    const events: PgarcEvent[] = [];
    await writeNote(join(folder, 'spool'), 's3://a/b', {}, (event) => events.push(event));
    expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining('spool') }]);
    expect(await readFile(join(folder, 'spool'), 'utf8')).toContain('a file');
  });
});
