import { expect, it } from 'vitest';
import { renderError } from '../../../cli/render-error.ts';
import { renderTable } from '../../../cli/render-table.ts';
import { PgarcError } from '../../../src/errors.ts';
import { escapeControls, escapeControlsInLines } from '../../../src/report/printable.ts';
import { formatSentence } from '../../../src/report/sentences.ts';

const NAME = 'base_\x1b[31m\nü\x9b';
const SHOWN = 'base_\\x1b[31m\\x0aü\\x9b';

it('shows control characters, and leaves letters', () => {
  expect(escapeControls(NAME)).toBe(SHOWN);
  expect(escapeControlsInLines('a\x1b\nb')).toBe('a\\x1b\nb');
});

it('is heeded by tables, sentences and errors', () => {
  expect(renderTable(['name'], [[NAME]])).toBe(`name\n${SHOWN}\n`);
  expect(formatSentence({ type: 'warning', message: 'a\x1b[2J', hint: 'b\x07' }, false)).toBe(
    'warning: a\\x1b[2J\n  hint: b\\x07\n',
  );
  const error = new PgarcError('no-such-backup', 'a\x1b', { hint: 'b\x1b', cause: new Error('c\x1b') });
  expect(renderError(error, { stack: false })).toBe('pgarc: a\\x1b\ncause: c\\x1b\nhint: b\\x1b\n');
});
