import { describe, expect, it } from 'vitest';
import { isPgarcError } from '../../../src/errors.ts';
import { isAncestor, parseHistory, timelineAt, timelineSpans } from '../../../src/wal/history.ts';

/** As PostgreSQL writes it after two promotions: a blank line, then a TAB-separated one. */
const TEXT = '1\t0/30000A0\tno recovery target specified\n\n2\t1/B1F00000\tbefore 2026-11-21 12:00:31+00\n';

describe('parseHistory', () => {
  it('reads what PostgreSQL writes', () => {
    expect(parseHistory(TEXT, 3)).toEqual([
      { timeline: 1, switchLsn: 0x30000a0n, reason: 'no recovery target specified' },
      { timeline: 2, switchLsn: 0x1b1f00000n, reason: 'before 2026-11-21 12:00:31+00' },
    ]);
  });

  it('reads comments, CRLF, no reason and no last line end', () => {
    expect(parseHistory('# by hand\r\n \r\n1\t0/3000000\r\n2 0/4000000', 7).map((e) => e.timeline)).toEqual([
      1, 2,
    ]);
  });

  it.each([
    ['', 'no parent'],
    ['# only a comment\n', 'no parent'],
    ['\0\0\0\0', 'not one of its entries'],
    ['one\t0/3000000\tx\n', 'not one of its entries'],
    ['1\t0-3000000\tx\n', 'not one of its entries'],
    ['1\n', 'not one of its entries'],
    ['2\t0/3000000\tx\n1\t0/4000000\tx\n', 'timeline 1 follows timeline 2'],
    ['3\t0/3000000\tx\n', 'parent would be timeline 3'],
  ])('refuses %j', (text, why) => {
    let thrown: unknown;
    try {
      parseHistory(text, 3);
    } catch (error) {
      thrown = error;
    }
    expect(isPgarcError(thrown, 'wal-invalid') && thrown.message).toContain(why);
  });
});

describe('ancestry', () => {
  const spans = timelineSpans(3, parseHistory(TEXT, 3));

  it('finds the timeline of a byte', () => {
    expect(timelineAt(spans, 0n)).toBe(1);
    expect(timelineAt(spans, 0x30000a0n - 1n)).toBe(1);
    expect(timelineAt(spans, 0x30000a0n)).toBe(2);
    expect(timelineAt(spans, 0x1b1f00000n)).toBe(3);
    expect(timelineAt(timelineSpans(1, []), 5n)).toBe(1);
  });

  it('finds it too where recovery towards a timeline ended before that timeline began', () => {
    const odd = timelineSpans(3, parseHistory('1\t0/5000000\tno reason\n2\t0/3000000\tbefore\n', 3));
    expect([0x2ffffffn, 0x3000000n, 0x4000000n, 0x5000000n].map((lsn) => timelineAt(odd, lsn))).toEqual([
      1, 3, 3, 3,
    ]);
    expect(isAncestor(odd, 1, 0x3000000n)).toBe(true);
    expect(isAncestor(odd, 1, 0x3000001n)).toBe(false);
    expect(isAncestor(odd, 2, 0x5000000n)).toBe(false);
  });

  it('tells a backup that ended before the switch from one after it', () => {
    expect(isAncestor(spans, 1, 0x30000a0n)).toBe(true);
    expect(isAncestor(spans, 1, 0x30000a1n)).toBe(false);
    expect(isAncestor(spans, 3, 0xffffffff00000000n)).toBe(true);
    expect(isAncestor(spans, 4, 0n)).toBe(false);
  });
});
