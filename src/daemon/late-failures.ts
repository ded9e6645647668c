/** How long a failure is kept for who was told to ask again, ms: he does so at once. */
const KEEP = 10_000;

/** Work whose client was told to ask again, and what it has failed with meanwhile. */
interface Followed {
  failure?: { error: unknown };
}

/**
 * Failures that came when nobody was waiting: between "still at it" and the next question. Without them the next
 * question would begin anew, and work that fails after just as long as a client waits would never be answered.
 */
export class LateFailures {
  readonly #followed = new Map<string, Followed>();

  /** Follows work whose client was told to ask again. @param question what he will ask, letter by letter */
  follow(question: string, work: Promise<unknown>): void {
    const followed: Followed = {};
    this.#followed.set(question, followed);
    const forget = () => {
      if (this.#followed.get(question) === followed) this.#followed.delete(question);
    };
    work.then(forget, (error: unknown) => {
      followed.failure = { error };
      setTimeout(forget, KEEP).unref();
    });
  }

  /**
   * Somebody who asked this has been told how it failed. Nothing is kept: whoever asks from now on asks for a new
   * attempt, such as the next archive_command.
   */
  noteAnswered(question: string): void {
    this.#followed.delete(question);
  }

  /** Throws what the question has failed with meanwhile, once. */
  throwIfFailed(question: string): void {
    const failure = this.#followed.get(question)?.failure;
    if (failure === undefined) return;
    this.#followed.delete(question);
    throw failure.error;
  }
}
