import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CODES, PgarcError } from '../../src/errors.ts';

it('docs/errors.md tells of every error, with its exit code', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  for (const code of ERROR_CODES)
    expect(page).toContain(`| \`${code}\` | ${new PgarcError(code, '').exitCode} |`);
  expect(page.match(/^\| `[a-z-]+` \|/gm)).toHaveLength(ERROR_CODES.length);
});
