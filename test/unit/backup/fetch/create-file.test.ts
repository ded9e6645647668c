import { closeSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileCreator } from '../../../../src/backup/fetch/create-file.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

describe.each([
  ['at once', Number.POSITIVE_INFINITY],
  ['on worker threads', -1],
])('FileCreator, %s', (_, limit) => {
  it('makes files, and refuses one that is there or has no directory', async () => {
    const folder = await makeTemporaryFolder('create');
    const creator = new FileCreator(limit);
    const names = Array.from({ length: 200 }, (_, index) => `file ${index}`);
    for (const name of names) {
      const fd = await creator.create(join(folder, name));
      writeSync(fd, name);
      closeSync(fd);
    }
    // Twice: at most one of them in a row is tried at once.
    for (let again = 0; again < 2; again++) {
      await expect(creator.create(join(folder, 'file 7'))).rejects.toMatchObject({ code: 'EEXIST' });
      await expect(creator.create(join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 'ENOENT' });
    }
    for (const name of names) expect(await readFile(join(folder, name), 'utf8')).toBe(name);
  });
});
