/**
 * Every failure pgarc reports on purpose, in one table: code → exit code, and whether trying again may help.
 * The exit codes are a contract with scripts and with PostgreSQL; docs/errors.md mirrors this table.
 */
const TABLE = {
  failed: { exitCode: 1, retryable: false },
  usage: { exitCode: 2, retryable: false },
  'setting-invalid': { exitCode: 2, retryable: false },
  refused: { exitCode: 4, retryable: false },
  'identity-mismatch': { exitCode: 4, retryable: false },
  'directory-not-empty': { exitCode: 4, retryable: false },
  'server-running': { exitCode: 4, retryable: false },
  'no-space': { exitCode: 4, retryable: false },
  'no-such-backup': { exitCode: 5, retryable: false },
  locked: { exitCode: 6, retryable: true },
  'store-unreachable': { exitCode: 7, retryable: true },
  'postgres-unreachable': { exitCode: 7, retryable: true },
  'object-missing': { exitCode: 8, retryable: false },
  'object-damaged': { exitCode: 8, retryable: false },
  'wal-gap': { exitCode: 8, retryable: false },
  'target-outside-window': { exitCode: 9, retryable: false },
  'wal-invalid': { exitCode: 1, retryable: false },
  'wal-conflict': { exitCode: 1, retryable: false },
  'wal-not-found': { exitCode: 74, retryable: false },
  interrupted: { exitCode: 75, retryable: true },
} as const satisfies Record<string, { exitCode: number; retryable: boolean }>;

export type ErrorCode = keyof typeof TABLE;

export const ERROR_CODES = Object.keys(TABLE) as readonly ErrorCode[];

/** Exit code of a run that ended well but has something to tell, such as a damaged page. */
export const EXIT_WARNINGS = 3;

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
    this.code = code;
    this.exitCode = TABLE[code].exitCode;
    this.hint = options.hint;
    this.retryable = options.retryable ?? TABLE[code].retryable;
    this.details = options.details;
  }
}

export function isPgarcError(error: unknown, code?: ErrorCode): error is PgarcError {
  return error instanceof PgarcError && (code === undefined || error.code === code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
