import type { PgarcEvent } from './events.ts';
import { createPaceMeter, formatProgress, type Progress } from './progress.ts';
import { formatJsonLine, formatPlainLine, isTold, type Level } from './records.ts';
import { formatSentence } from './sentences.ts';

/** Turns events into text. */
export interface Reporter {
  report(event: PgarcEvent): void;
  /** Takes the progress line off the terminal, before something else is printed. */
  clearStatus(): void;
  /** Nothing is reported afterwards that would need clearing. */
  close(): void;
}

/** Where the text goes; written at once, so that no line is lost at exit. */
export interface Screen {
  write(text: string): void;
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly colors: boolean;
}

export interface ReporterOptions {
  format: 'plain' | 'json';
  level: Level;
  /** Milliseconds since 1970; tests set it. */
  now?: () => number;
}

/** Between two progress lines in a log, ms. */
const LOG_INTERVAL = 5000;
/** Between two drawings of the progress line, ms. */
const DRAW_INTERVAL = 100;

/** A progress line and sentences on a terminal, log lines elsewhere, JSON lines when asked for. */
export function createReporter(screen: Screen, options: ReporterOptions): Reporter {
  const now = options.now ?? Date.now;
  return screen.isTerminal && options.format === 'plain'
    ? createTerminalReporter(screen, options.level, now)
    : createLineReporter(screen, options, now);
}

function createLineReporter(screen: Screen, options: ReporterOptions, now: () => number): Reporter {
  const format = options.format === 'json' ? formatJsonLine : formatPlainLine;
  const lastTold = new Map<string, number>();
  return {
    report(event) {
      if (!isTold(event, options.level)) return;
      const time = now();
      if (event.type === 'progress') {
        const last = lastTold.get(event.operation);
        if (last !== undefined && time - last < LOG_INTERVAL && !isComplete(event)) return;
        lastTold.set(event.operation, time);
      }
      screen.write(format(event, new Date(time)));
    },
    clearStatus: () => undefined,
    close: () => undefined,
  };
}

function createTerminalReporter(screen: Screen, level: Level, now: () => number): Reporter {
  const meters = new Map<string, ReturnType<typeof createPaceMeter>>();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let isDrawn = false;

  function clearStatus(): void {
    if (isDrawn) screen.write('\r\x1b[K');
    isDrawn = false;
  }

  function drawProgress(event: Progress): void {
    const time = now();
    if (time - drawnAt < DRAW_INTERVAL && !isComplete(event)) return;
    const measure = meters.get(event.operation) ?? createPaceMeter();
    meters.set(event.operation, measure);
    drawnAt = time;
    const line = formatProgress(event, measure(event, time));
    screen.write(`\r${line.slice(0, screen.columns - 1)}\x1b[K`);
    isDrawn = true;
  }

  return {
    report(event) {
      if (!isTold(event, level)) return;
      if (event.type === 'progress') return drawProgress(event);
      clearStatus();
      screen.write(formatSentence(event, screen.colors));
    },
    clearStatus,
    close: clearStatus,
  };
}

function isComplete(event: Progress): boolean {
  return event.totalBytes !== undefined && event.doneBytes >= event.totalBytes;
}
