import { PgarcError } from '../errors.ts';

/**
 * Why etcd did not do what it was asked for.
 * `unreachable`: no answer, or no quorum. `full`: its space is used up. `denied`: the user's role lacks a right.
 * `login`: wrong user or password. `token`: the token is not valid (any more). `lease`: the lease is gone.
 */
export type FailureKind = 'unreachable' | 'full' | 'denied' | 'login' | 'token' | 'lease' | 'refused';

export interface Failure {
  kind: FailureKind;
  /** etcd's own words, or what happened on the way. */
  words: string;
}

/** Codes of gRPC, as etcd's gateway hands them on. */
const GRPC = {
  invalid: 3,
  notFound: 5,
  denied: 7,
  exhausted: 8,
  precondition: 9,
  unavailable: 14,
  unauthenticated: 16,
};

/** Reads an answer of etcd's gateway that is not one of success. */
export function readFailure(status: number, text: string): Failure {
  let code: unknown;
  let words = '';
  try {
    const answer = JSON.parse(text) as Record<string, unknown>;
    // A stream, as of keep-alives, wraps it.
    const body = (typeof answer.error === 'object' ? answer.error : answer) as Record<string, unknown>;
    code = body.code ?? body.grpc_code;
    words = String(body.message ?? body.error ?? '');
  } catch {
    words = text.slice(0, 200).trim();
  }
  if (words === '') words = `HTTP status ${status}`;
  return { kind: classify(code, words, status), words };
}

function classify(code: unknown, words: string, status: number): FailureKind {
  if (/database space exceeded/.test(words)) return 'full';
  if (/authentication failed/.test(words)) return 'login';
  // Empty user: etcd asks for a user since now. Old revision: users or roles changed since the token was given.
  if (code === GRPC.unauthenticated || /user name is empty|auth: revision|auth token/.test(words))
    return 'token';
  if (code === GRPC.denied) return 'denied';
  if (code === GRPC.notFound && /lease not found/.test(words)) return 'lease';
  if (code === GRPC.invalid || code === GRPC.precondition) return 'refused';
  // No leader, a time-out within etcd, too many requests, a proxy's 502: another member may do better.
  return code === undefined && status < 500 ? 'refused' : 'unreachable';
}

/**
 * The error for what etcd refused.
 * @param where the member that did
 */
export function describeFailure(
  { kind, words }: Failure,
  where: string,
  user: string | undefined,
): PgarcError {
  const details = { reason: kind, endpoint: where };
  switch (kind) {
    case 'full':
      return new PgarcError(
        'etcd-unreachable',
        `etcd takes no writes, its space is used up (${where}: ${words})`,
        {
          hint: 'Compact and defragment etcd, then lift the alarm: etcdctl alarm disarm.',
          details,
        },
      );
    case 'denied':
      return new PgarcError(
        'etcd-unreachable',
        `etcd does not let ${user === undefined ? 'us without a user' : `user ${user}`} do this (${where}: ${words})`,
        {
          hint: 'Grant the role of etcd-user: etcdctl role grant-permission ROLE --prefix=true readwrite /service/SCOPE/.',
          retryable: false,
          details,
        },
      );
    case 'login':
    case 'token':
      return new PgarcError(
        'etcd-unreachable',
        user === undefined
          ? `etcd asks for a user (${where}: ${words})`
          : `etcd does not accept user ${user} with this password (${where}: ${words})`,
        { hint: 'Set etcd-user and etcd-password.', retryable: false, details },
      );
    case 'lease':
      return new PgarcError('failed', `the lease in etcd has ended (${where}: ${words})`, {
        retryable: true,
        details,
      });
    default:
      return new PgarcError('etcd-unreachable', `etcd refused a request (${where}: ${words})`, {
        retryable: kind === 'unreachable',
        details,
      });
  }
}

/** The error when no member answered. `reasons`: one a member, `NAME: WORDS`. */
export function describeSilence(reasons: readonly string[], diagnosis: string | undefined): PgarcError {
  const why = diagnosis === undefined ? '' : `${diagnosis}; `;
  return new PgarcError('etcd-unreachable', `etcd is not reachable: ${why}${reasons.join('; ')}`, {
    details: { reason: 'unreachable', endpoints: reasons },
  });
}
