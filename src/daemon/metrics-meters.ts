import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PgarcEvent } from '../report/events.ts';

/** What a group of metrics does with the events it is interested in. */
export type Handlers = {
  [Type in PgarcEvent['type']]?: (event: Extract<PgarcEvent, { type: Type }>) => void;
};

/** A gauge's present value; undefined takes it out of what is told. */
export type Level = (value: number | undefined, labels?: Readonly<Record<string, string>>) => void;

/** Makes metrics in one registry. */
export interface Meters {
  counter<L extends string>(name: string, help: string, ...labels: L[]): Counter<L>;
  histogram(name: string, help: string): Histogram;
  /** Absent until it is known, because a nought there would be a statement. */
  level(name: string, help: string, ...labels: string[]): Level;
  /** Now, s since 1970. */
  seconds(): number;
}

/** Upper bounds of the histograms, seconds. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** @param now ms since 1970 */
export function createMeters(registry: Registry, now: () => number): Meters {
  const registers = [registry];
  return {
    counter: (name, help, ...labelNames) => new Counter({ name, help, labelNames, registers }),
    histogram: (name, help) => new Histogram({ name, help, buckets: BUCKETS, registers }),
    level(name, help, ...labelNames) {
      let known: Gauge | undefined;
      return (value, labels = {}) => {
        if (value === undefined && known === undefined) return;
        known ??= new Gauge({ name, help, labelNames, registers });
        if (value === undefined) known.remove(labels);
        else known.set(labels, value);
      };
    },
    seconds: () => now() / 1000,
  };
}
