import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readMemory, writeMemory } from '../../../../src/report/notices/memory.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const KNOWN = { fingerprint: 'x', since: 1, toldAt: null, owesRecovery: true, isOver: false };

it('remembers', async () => {
  const folder = await makeTemporaryFolder();
  const path = join(folder, 'notices.json');
  expect(await readMemory(path)).toEqual(new Map());
  await writeMemory(path, new Map([['backup', KNOWN]]));
  expect(await readMemory(path)).toEqual(new Map([['backup', KNOWN]]));
  expect(await readdir(folder)).toEqual(['notices.json']);
});

it.each([
  ['nothing', ''],
  ['half a document', '{"backup":{"finger'],
  ['another kind of document', '[1,null]'],
  ['null', 'null'],
  ['unknown subjects', JSON.stringify({ other: KNOWN })],
  ['other fields', JSON.stringify({ backup: { ...KNOWN, since: 'yesterday' } })],
])('takes %s for an empty memory', async (_, text) => {
  const path = join(await makeTemporaryFolder(), 'notices.json');
  await writeFile(path, text);
  expect(await readMemory(path)).toEqual(new Map());
});
