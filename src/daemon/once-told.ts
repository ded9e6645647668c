import type { Emit } from '../report/events.ts';

/** What goes wrong with every attempt: told once, and once more when it is over. */
export class OnceTold {
  readonly #emit: Emit;
  #isTold = false;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  begin(message: string, hint: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#emit({ type: 'warning', message, hint });
  }

  end(message: string): void {
    if (!this.#isTold) return;
    this.#isTold = false;
    this.#emit({ type: 'warning', message });
  }
}
