import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPassword, matchPassword } from '../../../src/postgres/passfile.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const question = { host: 'db', port: 5432, database: 'postgres', user: 'backup' };

describe('matchPassword', () => {
  it('takes the first line that fits', () => {
    const text = '# db:5432:postgres:backup:no\nother:*:*:*:no\ndb:5432:*:backup:yes\n*:*:*:*:late\n';
    expect(matchPassword(text, question)).toBe('yes');
  });

  it('reads escaped colons and backslashes, and a colon in the password', () => {
    expect(matchPassword('\\:\\:1:*:*:*:a\\:b\\\\c:d', { ...question, host: '::1' })).toBe('a:b\\c:d');
  });

  it('looks a socket up as localhost', () => {
    expect(matchPassword('localhost:*:*:*:yes', { ...question, host: '/run/pg' })).toBe('yes');
  });

  it('skips lines that are not complete', () => {
    expect(matchPassword('db:5432:postgres:backup\n\n', question)).toBeUndefined();
  });
});

describe('findPassword', () => {
  it('does not use a file that others can read, as libpq does not', async () => {
    const file = join(await makeTemporaryFolder(), 'pass');
    await writeFile(file, '*:*:*:*:yes', { mode: 0o600 });
    expect(await findPassword(question, file)).toBe('yes');
    await chmod(file, 0o644);
    expect(await findPassword(question, file)).toBeUndefined();
  });

  it('finds nothing in a file that is not there', async () => {
    expect(await findPassword(question, '/nonexistent/pass')).toBeUndefined();
  });
});
