import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { quoteForShell } from '../../../src/report/shell.ts';

it.each(['/var/lib/postgresql/15/main', 'a=b,c:d%e@f+g', '--store=s3://bucket/prefix'])(
  'leaves %s as it is',
  (word) => {
    expect(quoteForShell(word)).toBe(word);
  },
);

it.each(['my data', "it's", '$HOME', 'a\nb', '', '~/x', '*', '"'])(
  'hands %j to a shell as one word',
  (word) => {
    const command = `printf '[%s]' ${quoteForShell(word)}`;
    expect(execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' })).toBe(`[${word}]`);
  },
);
