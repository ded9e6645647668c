import type { PgarcEvent } from './events.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './units.ts';

export type Progress = Extract<PgarcEvent, { type: 'progress' }>;

/** The rate is that of the last this many ms. */
const WINDOW = 10_000;

/** How fast an operation goes. */
export interface Pace {
  /** Undefined until it can be told. */
  bytesPerSecond: number | undefined;
  /** ms until the end; undefined while rate or total are not known. */
  remainingMs: number | undefined;
}

/** Measures the pace of one operation from its progress events. */
export function createPaceMeter(): (progress: Progress, now: number) => Pace {
  let samples: { time: number; bytes: number }[] = [];
  return ({ doneBytes, totalBytes }, now) => {
    if ((samples.at(-1)?.bytes ?? 0) > doneBytes) samples = [];
    samples.push({ time: now, bytes: doneBytes });
    while (samples.length > 2 && now - samples[0]!.time > WINDOW) samples.shift();
    const first = samples[0]!;
    const elapsed = now - first.time;
    if (elapsed < 500) return { bytesPerSecond: undefined, remainingMs: undefined };
    const bytesPerSecond = ((doneBytes - first.bytes) / elapsed) * 1000;
    const remainingMs =
      totalBytes === undefined || bytesPerSecond <= 0
        ? undefined
        : (Math.max(0, totalBytes - doneBytes) / bytesPerSecond) * 1000;
    return { bytesPerSecond, remainingMs };
  };
}

/** `backup 1.2 GiB of 3.4 GiB, 35 %, 410 MiB/s, 6 s left, 500 MiB stored`. */
export function formatProgress(progress: Progress, pace: Pace): string {
  const { operation, doneBytes, totalBytes, storedBytes } = progress;
  const parts =
    totalBytes === undefined
      ? [formatBytes(doneBytes)]
      : [`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, formatPercent(doneBytes, totalBytes)];
  if (pace.bytesPerSecond !== undefined) parts.push(formatRate(pace.bytesPerSecond));
  if (pace.remainingMs !== undefined && doneBytes < (totalBytes ?? 0)) {
    parts.push(`${formatDuration(Math.max(1000, pace.remainingMs))} left`);
  }
  if (operation === 'backup') parts.push(`${formatBytes(storedBytes)} stored`);
  return `${operation} ${parts.join(', ')}`;
}
