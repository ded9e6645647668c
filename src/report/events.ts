/**
 * What operations tell while they run. They never print: report/ turns events into terminal lines,
 * log lines or JSON. Sizes are bytes, times ms, LSNs strings as `X/Y`.
 */
export type PgarcEvent =
  | { type: 'walPushed'; name: string; bytes: number; storedBytes: number; durationMs: number }
  | { type: 'walAlreadyStored'; name: string }
  | { type: 'walFetched'; name: string; bytes: number; durationMs: number }
  | { type: 'storeRetry'; operation: string; attempt: number; delayMs: number; reason: string }
  | { type: 'phase'; operation: Operation; text: string }
  | {
      type: 'progress';
      operation: Operation;
      doneBytes: number;
      /** Undefined while it is not known. */
      totalBytes: number | undefined;
      storedBytes: number;
    }
  | { type: 'pageDamaged'; file: string; block: number; expected: number; found: number }
  | { type: 'warning'; message: string; hint?: string };

export type Operation = 'backup' | 'restore' | 'verify';

/** Receives events. Must not throw and must not block. */
export type Emit = (event: PgarcEvent) => void;
