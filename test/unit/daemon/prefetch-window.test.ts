import { describe, expect, it } from 'vitest';
import { PrefetchWindow } from '../../../src/daemon/prefetch-window.ts';

const MIB = 2 ** 20;

/** Names of segments of 16 MiB on timeline 1, by their last two digits. */
function segments(...ends: string[]): string[] {
  return ends.map((end) => `0000000100000000000000${end}`);
}

function grow(window: PrefetchWindow, times = 10): void {
  for (let i = 0; i < times; i++) window.found();
}

describe('PrefetchWindow', () => {
  it('wants nothing before a segment was handed over', () => {
    const window = new PrefetchWindow(16 * MIB, 8);
    expect(window.wanted()).toEqual([]);
    window.advance('00000001.history');
    window.advance('000000010000000000000003.partial');
    expect(window.wanted()).toEqual([]);
  });

  it('doubles while the archive has what it asks for, up to the limit', () => {
    const window = new PrefetchWindow(16 * MIB, 5);
    window.advance('000000010000000000000003');
    const sizes = [];
    for (let i = 0; i < 5; i++) {
      sizes.push(window.wanted().length);
      window.found();
    }
    expect(sizes).toEqual([1, 2, 4, 5, 5]);
    expect(window.wanted()).toEqual(segments('04', '05', '06', '07', '08'));
  });

  it('goes over the end of a log file', () => {
    const window = new PrefetchWindow(16 * MIB, 2);
    window.advance('0000000100000007000000FE');
    grow(window);
    expect(window.wanted()).toEqual(['0000000100000007000000FF', '000000010000000800000000']);
    const large = new PrefetchWindow(2 ** 30, 2);
    large.advance('000000010000000700000003');
    expect(large.wanted()).toEqual(['000000010000000800000000']);
  });

  it.each([
    [1, 8, 8],
    [16, 200, 32],
    [64, 200, 8],
    [1024, 200, 1],
    [16, 0, 0],
  ])('bounds segments of %d MiB by bytes: of %d wanted, %d', (mib, most, bounded) => {
    const window = new PrefetchWindow(mib * MIB, most);
    window.advance('000000010000000000000001');
    grow(window);
    expect(window.wanted()).toHaveLength(bounded);
  });

  it('asks nothing more at the end of the archive until the missing segment was handed over', () => {
    const window = new PrefetchWindow(16 * MIB, 8);
    window.advance('000000010000000000000003');
    grow(window);
    window.missed('000000010000000000000007');
    window.missed('000000010000000000000006');
    expect(window.wanted()).toEqual(segments('04'));
    window.advance('000000010000000000000004');
    expect(window.wanted()).toEqual(segments('05'));
    window.advance('000000010000000000000005');
    expect(window.wanted()).toEqual([]);
    // A standby asks for the last one again before it asks for the next.
    window.advance('000000010000000000000005');
    expect(window.wanted()).toEqual([]);
    window.advance('000000010000000000000006');
    expect(window.wanted()).toEqual(segments('07'));
  });

  it.each([
    ['back', '000000010000000000000002'],
    ['far ahead', '000000010000000000000040'],
    ['to another timeline', '000000020000000000000004'],
  ])('starts anew when replay jumps %s', (_, name) => {
    const window = new PrefetchWindow(16 * MIB, 4);
    window.advance('000000010000000000000003');
    grow(window);
    window.missed('000000010000000000000006');
    window.advance(name);
    expect(window.wanted()).toHaveLength(1);
    expect(window.keeps(window.wanted()[0]!)).toBe(true);
    expect(window.keeps('000000010000000000000005')).toBe(
      name.startsWith('0000000100000000000000') && name.endsWith('02'),
    );
    expect(window.wanted()[0]!.slice(0, 8)).toBe(name.slice(0, 8));
  });

  it('keeps what lies ahead only', () => {
    const window = new PrefetchWindow(16 * MIB, 4);
    expect(window.keeps('000000010000000000000004')).toBe(false);
    window.advance('000000010000000000000003');
    const ahead = ['03', '04', '07', '08'].map((end) => window.keeps(segments(end)[0]!));
    expect(ahead).toEqual([false, true, true, false]);
    expect(window.keeps('000000020000000000000004')).toBe(false);
    window.forget();
    expect(window.keeps('000000010000000000000004')).toBe(false);
    expect(window.wanted()).toEqual([]);
  });

  it('does not mind a miss that is no longer ahead', () => {
    const window = new PrefetchWindow(16 * MIB, 4);
    window.advance('000000010000000000000009');
    grow(window);
    window.missed('000000010000000000000007');
    window.missed('00000002000000000000000A');
    expect(window.wanted()).toHaveLength(4);
  });
});
