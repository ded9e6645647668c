import { describe, expect, it } from 'vitest';
import { checkText } from '../../../src/wal/check-text.ts';
import { classifyWalFile, type WalFile } from '../../../src/wal/file-name.ts';

const NAME = '000000010000000000000002.00000028.backup';
const BACKUP = `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
STOP WAL LOCATION: 0/2000100 (file 000000010000000000000002)
CHECKPOINT LOCATION: 0/2000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-21 14:00:00 UTC
LABEL: pgarc
START TIMELINE: 1
STOP TIME: 2026-11-21 14:00:01 UTC
STOP TIMELINE: 1
`;

function check(name: string, text: string): void {
  checkText(classifyWalFile(name) as Extract<WalFile, { kind: 'history' | 'backup' }>, Buffer.from(text));
}

describe('checkText', () => {
  it('accepts what PostgreSQL writes', () => {
    check(NAME, BACKUP);
    check('00000002.history', '1\t0/3000000\tno recovery target specified\n');
  });

  it.each([
    [NAME, '', 'it is empty'],
    [NAME, 'anything else', 'no START WAL LOCATION'],
    ['000000010000000000000003.00000028.backup', BACKUP, 'started at 0/2000028'],
    ['000000010000000000000002.00000030.backup', BACKUP, 'started at 0/2000028'],
    ['00000002.history', '', 'it is empty'],
    ['00000002.history', '2\t0/3000000\tx\n', 'parent would be timeline 2'],
    ['00000002.history', '\0'.repeat(40), 'damaged'],
  ])('refuses %s that holds %j', (name, text, why) => {
    expect(() => check(name, text)).toThrow(why);
  });
});
