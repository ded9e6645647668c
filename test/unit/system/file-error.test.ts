import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { codeOf, isFull, isMissing } from '../../../src/system/file-error.ts';

const errorOf = (code: unknown) => Object.assign(new Error('failed'), { code });

it('reads the code of a call that failed', async () => {
  const error = await readFile(`${import.meta.filename}/none`).catch((reason: unknown) => reason);
  expect(codeOf(error)).toBe('ENOTDIR');
  expect(isMissing(error)).toBe(true);
});

it.each([undefined, null, 'ENOENT', new Error('ENOENT'), { code: 'ENOENT' }, errorOf(20)])(
  'finds no code where there is none: %o',
  (error) => {
    expect(codeOf(error)).toBeUndefined();
    expect(isMissing(error)).toBe(false);
    expect(isFull(error)).toBe(false);
  },
);

it.each([
  ['ENOENT', true, false],
  ['ENOTDIR', true, false],
  ['ENOSPC', false, true],
  ['EDQUOT', false, true],
  ['EIO', false, false],
])('tells what %s means', (code, missing, full) => {
  expect(isMissing(errorOf(code))).toBe(missing);
  expect(isFull(errorOf(code))).toBe(full);
});
