import { isPgarcError, messageOf, type PgarcError } from '../errors.ts';

/** The lines of `pgarc check`, in their order. The names are fixed: scripts look for them. */
export type CheckName =
  | 'settings'
  | 'spool'
  | 'store'
  | 'etcd'
  | 'postgres'
  | 'pgdata'
  | 'identity'
  | 'wal-level'
  | 'archive-mode'
  | 'archive-command'
  | 'round-trip'
  | 'archiver';

/** What one check found. */
export interface Finding {
  name: CheckName;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What is so, or what is wrong. */
  message: string;
  /** One sentence: what to do. */
  hint?: string;
  /** Exit code this failure calls for; 8 where none is given. */
  exitCode?: number;
}

/** A finding of a check that threw. An interruption is none and goes on. */
export function describeFailure(name: CheckName, error: unknown, signal: AbortSignal): Finding {
  if (signal.aborted) throw error;
  const known: PgarcError | undefined = isPgarcError(error) ? error : undefined;
  return {
    name,
    status: 'failed',
    message: messageOf(error),
    exitCode: known?.exitCode ?? 1,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  };
}
