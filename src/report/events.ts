import type { ErrorCode } from '../errors.ts';

/**
 * What operations tell while they run. They never print: report/ turns events into terminal lines,
 * log lines or JSON. Sizes are bytes, times ms, LSNs strings as `X/Y`.
 */
export type PgarcEvent =
  | { type: 'walPushed'; name: string; bytes: number; storedBytes: number; durationMs: number }
  | { type: 'walAlreadyStored'; name: string }
  | { type: 'walFetched'; name: string; bytes: number; durationMs: number }
  /** Fetched by the daemon before anybody asked. */
  | { type: 'walPrefetched'; name: string; bytes: number; durationMs: number }
  /** Handed to PostgreSQL by the daemon; `ahead`: it was fetched before PostgreSQL asked. */
  | { type: 'walTaken'; name: string; ahead: boolean }
  | { type: 'storeRetry'; operation: string; attempt: number; delayMs: number; reason: string }
  /** A request to the store has ended; `status` is undefined when there was no answer. Bytes of bodies. */
  | {
      type: 'storeRequest';
      method: string;
      status: number | undefined;
      sentBytes: number;
      receivedBytes: number;
    }
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
  | { type: 'warning'; message: string; hint?: string }
  /** The daemon serves the cluster in `pgdata` from now on. */
  | { type: 'daemonReady'; pgdata: string; socket: string }
  /** There is no cluster, not yet or no more. */
  | { type: 'daemonWaiting'; pgdata: string }
  | { type: 'daemonStopping'; uploads: number }
  /** `ahead`: nobody had asked yet. */
  | { type: 'walPushFailed'; name: string; ahead: boolean; code: ErrorCode; message: string }
  /** Not for a file that is not in the archive. */
  | { type: 'walFetchFailed'; name: string; code: ErrorCode; message: string }
  /** The daemon answers HTTP there. */
  | { type: 'httpListening'; url: string }
  /** Files PostgreSQL wants archived, as of now. */
  | { type: 'walBacklog'; files: number }
  /** The store has not answered for so long; told once a minute. */
  | { type: 'storeDown'; downMs: number; reason: string; waiting: number }
  /** It answers again. */
  | { type: 'storeUp'; downMs: number; waiting: number };

export type Operation = 'backup' | 'restore' | 'verify' | 'retain';

/** Receives events. Must not throw and must not block. */
export type Emit = (event: PgarcEvent) => void;
