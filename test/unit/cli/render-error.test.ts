import { expect, it } from 'vitest';
import { describeError, renderError } from '../../../cli/render-error.ts';
import { PgarcError } from '../../../src/errors.ts';

const error = new PgarcError('store-unreachable', 'no answer from https://s3', {
  hint: 'Check the endpoint.',
  cause: new Error('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
  details: { bucket: 'b' },
});

it('tells what, why and what to do', () => {
  expect(renderError(error, { stack: false })).toBe(
    'pgarc: no answer from https://s3\ncause: fetch failed\ncause: connect ECONNREFUSED\nhint: Check the endpoint.\n',
  );
});

it('says a cause once', () => {
  const inner = new Error('disk full');
  const outer = new PgarcError('failed', 'cannot write: disk full', { cause: inner });
  expect(renderError(outer, { stack: false })).toBe('pgarc: cannot write: disk full\n');
});

it('shows where an unexpected error happened only when asked', () => {
  expect(renderError(new TypeError('x is undefined'), { stack: false })).toContain('PGARC_DEBUG=1');
  expect(renderError(new TypeError('x is undefined'), { stack: true })).toContain('render-error.test.ts');
  expect(renderError('thrown text', { stack: true })).toBe('pgarc: thrown text\n');
});

it('describes an error for --json', () => {
  expect(describeError(error)).toEqual({
    code: 'store-unreachable',
    message: 'no answer from https://s3',
    hint: 'Check the endpoint.',
    causes: ['fetch failed', 'connect ECONNREFUSED'],
    details: { bucket: 'b' },
  });
});
