import { describe, expect, it } from 'vitest';
import { parseTarget, parseTargetTimeline } from '../../../../src/backup/fetch/target-options.ts';

describe('parseTarget', () => {
  it('reads each kind', () => {
    expect(parseTarget({})).toEqual({ kind: 'none' });
    expect(parseTarget({ target: 'immediate' })).toEqual({ kind: 'immediate' });
    expect(parseTarget({ targetLsn: '1/2A' })).toEqual({ kind: 'lsn', lsn: 0x10000002an });
    expect(parseTarget({ targetXid: '745' })).toEqual({ kind: 'xid', xid: 745 });
    expect(parseTarget({ targetName: 'before upgrade' })).toEqual({ kind: 'name', name: 'before upgrade' });
    expect(parseTarget({ targetTime: '2026-11-21 13:00:00.123456+01' })).toEqual({
      kind: 'time',
      time: Date.UTC(2026, 10, 21, 12) * 1000 + 123456,
    });
  });

  it('takes a transaction id with its epoch, as pg_current_xact_id() tells it', () => {
    expect(parseTarget({ targetXid: '4294968000' })).toEqual({ kind: 'xid', xid: 704, full: 4294968000n });
    const last = { kind: 'xid', xid: 4294967295, full: 18446744073709551615n };
    expect(parseTarget({ targetXid: '18446744073709551615' })).toEqual(last);
    expect(parseTarget({ targetXid: '0745' })).toEqual({ kind: 'xid', xid: 745 });
  });

  it('takes a time without an offset as local', () => {
    const local = new Date(2026, 10, 21, 13, 5).getTime() * 1000;
    expect(parseTarget({ targetTime: '2026-11-21 13:05' })).toEqual({ kind: 'time', time: local });
    expect(parseTarget({ targetTime: '2026-11-21T13:05:00.5' })).toEqual({
      kind: 'time',
      time: local + 500000,
    });
  });

  it.each([
    [{ targetTime: 'yesterday' }, /--target-time/],
    [{ targetTime: '2026-13-45 00:00:00' }, /--target-time/],
    [{ targetLsn: '12' }, /--target-lsn/],
    [{ targetXid: '2' }, /--target-xid/],
    [{ targetXid: '0x10' }, /--target-xid/],
    [{ targetXid: '4294967298' }, /--target-xid/],
    [{ targetXid: '18446744073709551616' }, /--target-xid/],
    [{ targetName: '' }, /--target-name/],
    [{ targetLsn: '0/1', targetName: 'x' }, /--target-lsn and --target-name/],
  ])('refuses %j', (options, message) => {
    expect(() => parseTarget(options)).toThrow(message);
  });
});

describe('parseTargetTimeline', () => {
  it('takes words and decimal numbers', () => {
    expect(parseTargetTimeline('latest')).toBe('latest');
    expect(parseTargetTimeline('12')).toBe(12);
    expect(() => parseTargetTimeline('0xA')).toThrow(/--target-timeline/);
    expect(() => parseTargetTimeline('0')).toThrow(/--target-timeline/);
  });
});
