import { renderTable } from '../../cli/render-table.ts';
import type { Measurement } from './measure.ts';

/** A line of a result: who, how it was set, what it took. */
export interface Entry {
  name: string;
  measurement: Measurement;
}

/**
 * A table of one comparison, pgarc first. `ratio` tells how many times faster pgarc was than that line.
 * @param bytes of input, for the rate
 */
export function renderComparison(title: string, bytes: number, entries: readonly Entry[]): string {
  const [own] = entries;
  const rows = entries.map(({ name, measurement }) => [
    name,
    measurement.seconds.toFixed(2),
    (bytes / 1e6 / measurement.seconds).toFixed(0),
    measurement.cpuSeconds.toFixed(2),
    (measurement.peakBytes / 2 ** 20).toFixed(0),
    measurement === own?.measurement ? '' : (measurement.seconds / own!.measurement.seconds).toFixed(2),
  ]);
  const header = [title, 'seconds', 'MB/s', 'CPU s', 'peak MiB', 'pgarc is × faster'];
  return renderTable(header, rows, ['left', 'right', 'right', 'right', 'right', 'right']);
}

/** Prints a step to stderr, so that stdout holds the tables alone. */
export function log(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
