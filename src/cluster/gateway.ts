import { messageOf, PgarcError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import { describeFailure, describeSilence, type Failure, readFailure } from './failure.ts';
import { HttpClient } from './http.ts';
import type { TlsFiles } from './tls.ts';

export interface GatewayOptions {
  endpoints: readonly Endpoint[];
  user: string | undefined;
  password: string | undefined;
  tls: TlsFiles;
  /** Deadline of one request to one member, ms. */
  timeout: number;
}

export interface CallOptions {
  /** Instead of the gateway's, ms. */
  timeout?: number | undefined;
}

/** An answer of etcd and whether it was asked more than once, so that an earlier time may have done the work. */
export interface Answer {
  body: Readonly<Record<string, unknown>>;
  isRepeat: boolean;
}

type Attempt = { body: Readonly<Record<string, unknown>>; isRepeat: boolean } | { failure: Failure };

/**
 * etcd's v3 API as JSON over HTTP, which every member of etcd from 3.4 on serves. Asks the member that answered
 * last, and the next ones when it does not.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #http: HttpClient;
  #current = 0;
  /** Undefined: not asked for yet. Null: etcd wants none. */
  #token: string | null | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#http = new HttpClient(options.tls);
  }

  /**
   * Calls one of etcd's functions.
   * @param path such as `/v3/kv/range`
   * @throws PgarcError `etcd-unreachable`, `failed` when a lease is gone; the signal's reason
   */
  async call(path: string, body: object, signal: AbortSignal, options: CallOptions = {}): Promise<Answer> {
    const { endpoints, timeout } = this.#options;
    const text = JSON.stringify(body);
    const reasons: string[] = [];
    const start = this.#current;
    for (let tried = 0; tried < endpoints.length; tried++) {
      const index = (start + tried) % endpoints.length;
      const endpoint = endpoints[index]!;
      const attempt = await this.#ask(endpoint, path, text, signal, options.timeout ?? timeout);
      if ('body' in attempt) {
        this.#current = index;
        return { body: attempt.body, isRepeat: tried > 0 || attempt.isRepeat };
      }
      if (attempt.failure.kind !== 'unreachable') {
        this.#current = index;
        throw describeFailure(attempt.failure, endpoint.name, this.#options.user);
      }
      reasons.push(`${endpoint.name}: ${attempt.failure.words}`);
    }
    // The next call begins with another member.
    this.#current = (start + 1) % endpoints.length;
    throw describeSilence(reasons, await this.#diagnose(signal));
  }

  close(): void {
    this.#http.close();
  }

  /** Asks one member, logged in where a user is set; logs in anew once when the token is not taken. */
  async #ask(
    endpoint: Endpoint,
    path: string,
    text: string,
    signal: AbortSignal,
    timeout: number,
  ): Promise<Attempt> {
    for (let attempt = 1; ; attempt++) {
      if (this.#token === undefined) {
        const failure = await this.#logIn(endpoint, signal, timeout);
        if (failure !== undefined) return { failure };
      }
      const headers: Record<string, string> = this.#token ? { authorization: this.#token } : {};
      const result = await this.#send(endpoint, path, text, headers, signal, timeout);
      const isRejected = 'failure' in result && result.failure.kind === 'token';
      if (!isRejected || this.#options.user === undefined || attempt === 2) return result;
      this.#token = undefined;
    }
  }

  async #logIn(endpoint: Endpoint, signal: AbortSignal, timeout: number): Promise<Failure | undefined> {
    const { user: name, password = '' } = this.#options;
    if (name === undefined) {
      this.#token = null;
      return undefined;
    }
    const body = JSON.stringify({ name, password });
    const result = await this.#send(endpoint, '/v3/auth/authenticate', body, {}, signal, timeout);
    if ('body' in result) this.#token = String(result.body.token);
    else if (/authentication is not enabled/.test(result.failure.words)) this.#token = null;
    else return result.failure;
    return undefined;
  }

  async #send(
    endpoint: Endpoint,
    path: string,
    text: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    timeout: number,
  ): Promise<Attempt> {
    const outcome = await this.#http.post(endpoint, path, text, { headers, timeout, signal });
    if ('failure' in outcome) return { failure: { kind: 'unreachable', words: outcome.failure } };
    if (outcome.status !== 200) return { failure: readFailure(outcome.status, outcome.text) };
    try {
      const body = JSON.parse(outcome.text) as Record<string, unknown>;
      if (body.error !== undefined) return { failure: readFailure(outcome.status, outcome.text) };
      const { isRepeat = false } = outcome;
      return { body: (body.result as Record<string, unknown> | undefined) ?? body, isRepeat };
    } catch (error) {
      return { failure: { kind: 'unreachable', words: `the answer is not etcd's: ${messageOf(error)}` } };
    }
  }

  /** Whether a member lives that has no leader: then etcd lacks its quorum, and the network is not to blame. */
  async #diagnose(signal: AbortSignal): Promise<string | undefined> {
    const timeout = Math.min(1000, this.#options.timeout);
    const states = await Promise.all(
      this.#options.endpoints.map((endpoint) =>
        this.#send(endpoint, '/v3/maintenance/status', '{}', {}, signal, timeout).catch(() => undefined),
      ),
    );
    if (signal.aborted) throw signal.reason;
    const alive = states.filter((state) => state !== undefined && 'body' in state);
    const leaderless = alive.filter((state) => (state.body.leader ?? '0') === '0').length;
    if (leaderless === 0) return undefined;
    return `${leaderless} of ${states.length} members live but have no leader, so there is no quorum`;
  }
}

/** For an error of etcd: whether it is of this kind. */
export function isEtcdReason(error: unknown, reason: Failure['kind']): error is PgarcError {
  return error instanceof PgarcError && error.details?.reason === reason;
}
