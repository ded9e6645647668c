/**
 * Every failure pgarc reports on purpose, in one table: code → exit code, whether trying again may help, and
 * what to do where the error itself has no better advice. The exit codes are a contract with scripts and with
 * PostgreSQL; docs/errors.md mirrors this table.
 */
const TABLE = {
  failed: { exitCode: 1, retryable: false },
  usage: { exitCode: 2, retryable: false, hint: 'See `pgarc COMMAND --help`.' },
  'setting-invalid': { exitCode: 2, retryable: false },
  refused: { exitCode: 4, retryable: false },
  'identity-mismatch': { exitCode: 4, retryable: false },
  'directory-not-empty': { exitCode: 4, retryable: false },
  'server-running': { exitCode: 4, retryable: false },
  'no-space': { exitCode: 4, retryable: false },
  'no-such-backup': { exitCode: 5, retryable: false },
  locked: { exitCode: 6, retryable: true },
  'store-unreachable': {
    exitCode: 7,
    retryable: true,
    hint: 'Check the endpoint, the network and the store itself.',
  },
  'postgres-unreachable': { exitCode: 7, retryable: true, hint: 'Check that the server runs, and its log.' },
  'etcd-unreachable': {
    exitCode: 7,
    retryable: true,
    hint: 'Check etcd-endpoints, the network and `etcdctl endpoint status`.',
  },
  'object-missing': {
    exitCode: 8,
    retryable: false,
    hint: 'Put a copy in its place or take a new backup; `pgarc verify` and `pgarc wal-verify` tell what else is gone.',
  },
  'object-damaged': {
    exitCode: 8,
    retryable: false,
    hint: 'Put an undamaged copy in its place or take a new backup; `pgarc verify` tells what else is damaged.',
  },
  'wal-gap': { exitCode: 8, retryable: false, hint: 'Run `pgarc wal-verify`: it names what is missing.' },
  'target-outside-window': { exitCode: 9, retryable: false },
  'wal-invalid': {
    exitCode: 1,
    retryable: false,
    hint: 'Nothing was stored; look at the file and at what wrote it.',
  },
  'wal-conflict': { exitCode: 1, retryable: false },
  'wal-not-found': { exitCode: 74, retryable: false },
  interrupted: { exitCode: 75, retryable: true },
} as const satisfies Record<string, TableEntry>;

interface TableEntry {
  exitCode: number;
  retryable: boolean;
  hint?: string;
}

export type ErrorCode = keyof typeof TABLE;

export const ERROR_CODES = Object.keys(TABLE) as readonly ErrorCode[];

/** Exit code of a run that ended well but has something to tell, such as a damaged page. */
export const EXIT_WARNINGS = 3;

/** Exit code of a verification that found something wrong and has told it. */
export const EXIT_VERIFICATION_FAILED = 8;

export interface ErrorOptions {
  /** One sentence that says what to do next, with a command where one helps. */
  hint?: string;
  cause?: unknown;
  /** Overrides the table where one cause of a code may be retried and another may not. */
  retryable?: boolean;
  /** Facts for --json: names, sizes, LSNs as strings. Never a secret. */
  details?: Readonly<Record<string, unknown>>;
}

/** The one error class. Messages are lower case, without a full stop; the hint is a sentence. */
export class PgarcError extends Error {
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PgarcError';
    const entry: TableEntry = TABLE[code];
    this.code = code;
    this.exitCode = entry.exitCode;
    this.hint = options.hint ?? entry.hint;
    this.retryable = options.retryable ?? entry.retryable;
    this.details = options.details;
  }
}

/** Whether an error is one of pgarc's own and, where a code is given, has this one. */
export function isPgarcError(error: unknown, code?: ErrorCode): error is PgarcError {
  return error instanceof PgarcError && (code === undefined || error.code === code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
