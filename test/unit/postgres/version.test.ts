import { describe, expect, it } from 'vitest';
import { formatVersion, majorVersion, requireKnownVersion } from '../../../src/postgres/version.ts';

describe('versions', () => {
  it.each([
    [150020, '15.20'],
    [100000, '10.0'],
    // Before version 10 the first two parts were the major version.
    [90624, '9.6.24'],
    [90500, '9.5.0'],
  ])('%d is written %s', (versionNumber, text) => {
    expect(formatVersion(versionNumber)).toBe(text);
  });

  it('tell their major part', () => {
    expect(majorVersion(150020)).toBe(15);
  });

  it('are refused when they are too old', () => {
    expect(() => requireKnownVersion(120022)).toThrow('PostgreSQL 12.22 is too old');
    expect(() => requireKnownVersion(90624)).toThrow('PostgreSQL 9.6.24 is too old');
    expect(() => requireKnownVersion(180001)).not.toThrow();
  });
});
