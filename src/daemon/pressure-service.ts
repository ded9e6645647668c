import { PressureGauge } from './pressure.ts';
import type { DaemonParts, DaemonService } from './services.ts';

const TICK = 1000;

/** Keeps the log to one line a minute about a store that is down. */
export async function createPressureService({ bus }: DaemonParts): Promise<DaemonService> {
  const gauge = new PressureGauge({ emit: bus.emit });
  const silence = bus.listen((event) => gauge.hear(event));
  const timer = setInterval(() => gauge.tick(), TICK).unref();
  return {
    async stop() {
      clearInterval(timer);
      silence();
    },
  };
}
