import { describe, expect, it } from 'vitest';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { createReporter, type ReporterOptions } from '../../../src/report/reporter.ts';

const MIB = 1024 ** 2;

function record(isTerminal: boolean, options: Partial<ReporterOptions> = {}, columns = 100) {
  const written: string[] = [];
  const clock = { time: Date.parse('2026-11-21T12:00:00Z') };
  const screen = { isTerminal, columns, colors: false, write: (text: string) => void written.push(text) };
  const reporter = createReporter(screen, {
    format: 'plain',
    level: 'info',
    now: () => clock.time,
    ...options,
  });
  return { written, clock, reporter };
}

function progress(doneBytes: number, totalBytes: number | undefined = 100 * MIB): PgarcEvent {
  return { type: 'progress', operation: 'backup', doneBytes, totalBytes, storedBytes: doneBytes / 2 };
}

describe('log lines', () => {
  it('hold time, level, event and every field', () => {
    const { written, reporter } = record(false);
    reporter.report({ type: 'walAlreadyStored', name: '000000010000000000000001' });
    reporter.report({ type: 'warning', message: 'disk is "full"\nalmost', hint: 'x' });
    expect(written).toEqual([
      '2026-11-21T12:00:00.000Z info walAlreadyStored name=000000010000000000000001\n',
      '2026-11-21T12:00:00.000Z warning warning message="disk is \\"full\\"\\nalmost" hint=x\n',
    ]);
  });

  it('are JSON objects when asked for, on a terminal too', () => {
    const { written, reporter } = record(true, { format: 'json' });
    reporter.report({ type: 'walFetched', name: 'n', bytes: 1, durationMs: 2 });
    expect(JSON.parse(written[0]!)).toEqual({
      time: '2026-11-21T12:00:00.000Z',
      level: 'info',
      event: 'walFetched',
      name: 'n',
      bytes: 1,
      durationMs: 2,
    });
  });

  it('tell progress every few seconds and at the end', () => {
    const { written, clock, reporter } = record(false);
    for (let second = 0; second <= 12; second++) {
      reporter.report(progress(second * MIB));
      clock.time += 1000;
    }
    reporter.report(progress(100 * MIB));
    expect(written.map((line) => /doneBytes=(\d+)/.exec(line)?.[1])).toEqual(
      [0, 5, 10, 100].map((n) => String(n * MIB)),
    );
  });

  it('leave out what is less severe than the level', () => {
    const { written, reporter } = record(false, { level: 'warning' });
    reporter.report({ type: 'walAlreadyStored', name: 'n' });
    reporter.report({ type: 'warning', message: 'm' });
    expect(written).toHaveLength(1);
  });
});

describe('a terminal', () => {
  it('shows one line of progress with rate and time left', () => {
    const { written, clock, reporter } = record(true);
    reporter.report(progress(0));
    clock.time += 50;
    reporter.report(progress(MIB));
    clock.time += 1950;
    reporter.report(progress(20 * MIB));
    expect(written).toEqual([
      '\rbackup 0 B of 100 MiB, 0 %, 0 B stored\x1b[K',
      '\rbackup 20 MiB of 100 MiB, 20 %, 10 MiB/s, 8.0 s left, 10 MiB stored\x1b[K',
    ]);
    reporter.report({ type: 'warning', message: 'look' });
    expect(written.slice(2)).toEqual(['\r\x1b[K', 'warning: look\n']);
    reporter.close();
    expect(written).toHaveLength(4);
  });

  it('never writes a line wider than the terminal', () => {
    const { written, reporter } = record(true, {}, 20);
    reporter.report(progress(MIB));
    expect(written[0]).toHaveLength('\r'.length + 19 + '\x1b[K'.length);
  });

  it('counts one thing in the singular', () => {
    const { written, reporter } = record(true);
    reporter.report({
      type: 'jobFinished',
      job: 'retain',
      node: 'db1',
      scheduledFor: '2026-11-21T12:00:00.000Z',
      attempt: 1,
      durationMs: 1500,
      outcome: 'ok',
      deleted: { backups: 1, segments: 1, objects: 3, bytes: MIB },
    });
    expect(written).toEqual([
      'retain of 2026-11-21T12:00:00.000Z is done (1.5 s): 1 backup and 1 WAL segment deleted, 1 MiB\n',
    ]);
  });

  it('tells an event it has no words for', () => {
    const { written, reporter } = record(true);
    reporter.report({ type: 'newThing', lsn: '0/3000000' } as unknown as PgarcEvent);
    expect(written).toEqual(['newThing lsn=0/3000000\n']);
  });
});
