/** Watches over something that must keep moving. */
export interface IdleTimer {
  /** Something moved. */
  touch(): void;
  /** Nothing is expected for now, for instance because the reader is busy. */
  rest(): void;
  stop(): void;
}

/** Calls `onIdle` once nothing has moved for `ms`, however long it takes as a whole. */
export function startIdleTimer(ms: number, onIdle: () => void): IdleTimer {
  let isResting = false;
  let moves = 0;
  let isStopped = false;
  const timer = setTimeout(() => {
    // After a process was held up, timers come before what has arrived meanwhile: look at that first.
    const before = moves;
    setImmediate(() => {
      if (isStopped) return;
      if (isResting || moves !== before) timer.refresh();
      else onIdle();
    });
  }, ms);
  return {
    touch() {
      isResting = false;
      moves += 1;
      timer.refresh();
    },
    rest() {
      isResting = true;
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** The deadline of a request passed. */
export class StalledError extends Error {
  constructor(ms: number, doing: string) {
    super(`nothing moved for ${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s while ${doing}`);
    this.name = 'StalledError';
  }
}
