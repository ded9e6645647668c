import { expect, test } from 'vitest';
import { isAsWritten, readScreen } from '../../support/doc-output.ts';
import { parseDocPage, replaceOutputs } from '../../support/doc-page.ts';

const PAGE = `# A page

Words.

<!-- test: break it -->
<!-- repeat -->
\`\`\`console
$ pgarc check --json  # exit 7
one
two
$ psql <<SQL
> SELECT 1;
> SQL
 1
\`\`\`

<!-- not run: needs a crane -->
\`\`\`console
$ lift
\`\`\`

\`\`\`sh
$ not a console
\`\`\`
`;

test('commands of a page are found', () => {
  const page = parseDocPage(PAGE);
  expect(page.commands).toEqual([
    {
      ...{ command: 'pgarc check --json', exit: 7, output: ['one', 'two'], step: 'break it', repeat: true },
      ...{ from: 8, to: 10 },
    },
    {
      ...{ command: 'psql <<SQL\nSELECT 1;\nSQL', exit: 0, output: [' 1'], step: undefined, repeat: true },
      ...{ from: 13, to: 14 },
    },
  ]);
  expect(page.notRun).toEqual(['needs a crane']);
  expect(replaceOutputs(page, [['three'], undefined])).toBe(PAGE.replace('one\ntwo', 'three'));
  expect(() => parseDocPage('```console\nno command\n```')).toThrow(/line 2 belongs to no command/);
  expect(() => parseDocPage('<!-- repeat -->\n')).toThrow(/no block follows/);
});

test.each([
  ['stored 16 MiB in 3.2 s', 'stored 1.5 GiB in 2 min 3 s', true],
  ['base_000000010000000000000002 at 0/3000050', 'base_00000001000000000000000A at 1/A0', true],
  ['timeline 000000010000000000000002', 'timeline 000000020000000000000002', false],
  ['2026-11-21T17:36:09.100Z ok', '2027-01-01 00:00:00.1+00 ok', true],
  ['a   b\n----', 'a b\n-------', true],
  ['2 backups', '3 backups', false],
  ['one\n…\nfour', 'one\ntwo\nthree\nfour', true],
  ['one\n…\nfour', 'one\nfour', true],
  ['one\n…\nfour', 'one\ntwo\nthree', false],
  ['failed (tried … times)', 'failed (tried 19 times)', true],
  ['failed', 'failed (tried 19 times)', false],
  ['', '', true],
  ['', 'something', false],
])('%j against %j: %s', (written, actual, expected) => {
  expect(isAsWritten(written, actual)).toBe(expected);
});

test('a screen shows what was written last', () => {
  expect(readScreen('\rbackup 1 %\x1b[K\rbackup 100 %\x1b[K\r\x1b[Kdone\r\nnext\r\n')).toBe('done\nnext\n');
  expect(readScreen('abcdef\rxy\r\n')).toBe('xycdef\n');
});
