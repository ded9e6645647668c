import type { Emit, Operation } from '../../report/events.ts';

/** Progress is told at most this often, ms. */
const INTERVAL = 200;

/** Adds up what is done and tells it now and then. */
export class Progress {
  doneBytes = 0;
  storedBytes = 0;
  readonly #emit: Emit;
  readonly #operation: Operation;
  readonly #totalBytes: number | undefined;
  #toldAt = 0;

  constructor(emit: Emit, operation: Operation, totalBytes: number | undefined) {
    this.#emit = emit;
    this.#operation = operation;
    this.#totalBytes = totalBytes;
  }

  add(stored: number, plain: number): void {
    this.storedBytes += stored;
    this.doneBytes += plain;
    const now = performance.now();
    if (now - this.#toldAt < INTERVAL) return;
    this.#toldAt = now;
    this.tell();
  }

  tell(): void {
    this.#emit({
      type: 'progress',
      operation: this.#operation,
      doneBytes: this.doneBytes,
      totalBytes: this.#totalBytes,
      storedBytes: this.storedBytes,
    });
  }
}
