import { expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode, PgarcError } from '../../src/errors.ts';

/** Codes whose every error either has advice of its own or needs none. */
const WITHOUT_ADVICE: readonly ErrorCode[] = [
  'failed',
  'setting-invalid',
  'refused',
  'identity-mismatch',
  'directory-not-empty',
  'server-running',
  'no-space',
  'no-such-backup',
  'locked',
  'target-outside-window',
  'wal-conflict',
  'wal-not-found',
  'interrupted',
];

it('an error says what to do, in its own words or those of its code', () => {
  for (const code of ERROR_CODES) {
    const { hint } = new PgarcError(code, 'x');
    if (WITHOUT_ADVICE.includes(code)) expect(hint).toBeUndefined();
    else expect(hint).toMatch(/^[A-Z].*\.$/);
    expect(new PgarcError(code, 'x', { hint: 'Wait.' }).hint).toBe('Wait.');
  }
});
