import { messageOf } from '../../errors.ts';

/**
 * There are no credentials for the store, or the service that hands them out (STS, SSO, a container's, an
 * instance's) does not. Its answers hold secrets: of what came only a service's own error is told.
 */
export class CredentialsFailure extends Error {
  /** Of the service's answer, if there was one. */
  readonly status: number | undefined;
  /** Of Node, if there was no answer. */
  readonly code: string | undefined;

  constructor(reason: string, status: number | undefined, code: string | undefined) {
    super(`no credentials: ${reason}`);
    this.name = 'CredentialsFailure';
    this.status = status;
    this.code = code;
  }
}

/** What the SDK's chain throws, made fit to be told. */
export function toCredentialsFailure(error: unknown): CredentialsFailure {
  const { $metadata, $fault, code } = error as {
    $metadata?: { httpStatusCode?: unknown };
    $fault?: unknown;
    code?: unknown;
  };
  const status = typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : undefined;
  const reason = status === undefined ? reasonOf(error) : refusalOf(error, status, $fault !== undefined);
  return new CredentialsFailure(reason, status, typeof code === 'string' ? code : undefined);
}

/** @param isError the answer was an error of such a service's form */
function refusalOf(error: unknown, status: number, isError: boolean): string {
  const name = error instanceof Error ? error.name : 'Unknown';
  if (!isError || name === 'Unknown')
    return `the service that hands them out answered ${status} and no sense`;
  return `the service that hands them out answered ${status} ${name} (${messageOf(error)})`;
}

function reasonOf(error: unknown): string {
  const [line = ''] = messageOf(error).split('\n');
  // A parser quotes what it could not read, and a failed command its arguments.
  if (/JSON|XML|Deserialization/.test(messageOf(error))) {
    return 'the service or command that hands them out gave an answer that cannot be read';
  }
  return line.startsWith('Command failed') ? 'credential_process failed' : line;
}
