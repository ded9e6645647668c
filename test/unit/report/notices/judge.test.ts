import { describe, expect, it } from 'vitest';
import { judgeTrouble, judgeWell, type KnownTrouble } from '../../../../src/report/notices/judge.ts';
import { fingerprintOf } from '../../../../src/report/notices/notice.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-21T12:00:00Z');
const TOLD: KnownTrouble = {
  fingerprint: 'a',
  since: NOW - 2 * HOUR,
  toldAt: NOW - 2 * HOUR,
  owesRecovery: true,
  isOver: false,
};

describe('trouble', () => {
  it.each<[string, KnownTrouble | undefined, string, boolean, number]>([
    ['is told when it is new', undefined, 'a', true, NOW],
    ['is not told again', TOLD, 'a', false, TOLD.since],
    ['is told when it differs, since when there is any', TOLD, 'b', true, TOLD.since],
    ['is told again after a day', { ...TOLD, toldAt: NOW - 24 * HOUR }, 'a', true, TOLD.since],
    ['is not told again before', { ...TOLD, toldAt: NOW - 24 * HOUR + 1 }, 'a', false, TOLD.since],
    ['is told again when it never arrived', { ...TOLD, toldAt: null }, 'a', true, TOLD.since],
    ['is not silenced by a clock set back a little', { ...TOLD, toldAt: NOW + HOUR }, 'a', false, TOLD.since],
    ['nor by one set back far', { ...TOLD, toldAt: NOW + 48 * HOUR }, 'a', true, TOLD.since],
    ['begins anew after it was over', { ...TOLD, isOver: true }, 'a', true, NOW],
  ])('%s', (_, known, fingerprint, tell, since) => {
    const verdict = judgeTrouble(known, fingerprint, NOW);
    expect(verdict).toMatchObject({ tell, known: { fingerprint, since, isOver: false } });
  });

  it('still owes the end of what was told before it changed', () => {
    expect(judgeTrouble(TOLD, 'b', NOW).known).toMatchObject({ toldAt: null, owesRecovery: true });
    expect(judgeTrouble(undefined, 'b', NOW).known).toMatchObject({ toldAt: null, owesRecovery: false });
  });
});

it('tells the end of trouble until it has arrived, and nothing without trouble', () => {
  expect(judgeWell(undefined)).toEqual({ known: undefined, tell: false });
  const over = { ...TOLD, isOver: true };
  expect(judgeWell(TOLD)).toEqual({ known: over, tell: true });
  expect(judgeWell(over)).toEqual({ known: over, tell: true });
});

describe('a fingerprint', () => {
  const of = (message: string, code?: 'failed' | 'store-unreachable') =>
    fingerprintOf({ kind: 'jobFailed', message, code });

  it.each([
    ['tried 5 times in 60 s', 'tried 12 times in 1 min 3 s'],
    ['000000010000000000000003 is missing', '0000000200000000000000AF is missing'],
    ['the backup of 2026-11-21T02:00:00.000Z failed', 'the backup of 2026-12-01T02:00:00.000Z failed'],
    ['850 ms, 1.5 KiB', '3 h 5 min, 12 MiB'],
  ])('is the same for "%s" and "%s"', (one, other) => {
    expect(of(one)).toBe(of(other));
    expect(of(one, 'failed')).toBe(of(other, 'failed'));
  });

  it('differs with the words, and with the code whatever the words', () => {
    expect(of('connection refused')).not.toBe(of('disk full'));
    expect(of('refused', 'store-unreachable')).toBe(of('timed out', 'store-unreachable'));
    expect(of('refused', 'store-unreachable')).not.toBe(of('refused', 'failed'));
    expect(fingerprintOf({ kind: 'jobLate', message: 'x' })).not.toBe(of('x'));
  });
});
