import type { Backup } from '../backup/catalog.ts';

/** Why backups are kept. */
export class Reasons {
  readonly #reasons = new Map<Backup, string[]>();

  add(backup: Backup, reason: string): void {
    const reasons = this.#reasons.get(backup) ?? [];
    if (reasons.length === 0) this.#reasons.set(backup, reasons);
    if (!reasons.includes(reason)) reasons.push(reason);
  }

  of(backup: Backup): readonly string[] {
    return this.#reasons.get(backup) ?? [];
  }

  /** Backups with a reason. */
  get backups(): Backup[] {
    return [...this.#reasons.keys()];
  }
}
