/** How long a failure is kept for who was told to ask again, ms: he does so at once. */
const KEEP = 10_000;

/**
 * Failures that came when nobody was waiting: between "still at it" and the next question. Without them the next
 * question would begin anew, and work that fails after just as long as a client waits would never be answered.
 */
export class LateFailures {
  readonly #failures = new Map<string, unknown>();

  /** Follows work whose client was told to ask again. @param question what he will ask, letter by letter */
  follow(question: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#failures.set(question, error);
      setTimeout(() => this.#failures.delete(question), KEEP).unref();
    });
  }

  /** Throws what the question has failed with meanwhile, once. */
  throwIfFailed(question: string): void {
    if (!this.#failures.has(question)) return;
    const error = this.#failures.get(question);
    this.#failures.delete(question);
    throw error;
  }
}
