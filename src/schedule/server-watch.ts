import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { connectPostgres, type PostgresSession } from '../postgres/connection.ts';
import type { Lsn } from '../postgres/lsn.ts';
import { requireLsn } from '../postgres/server.ts';

/** What this node's server says of itself. */
export interface ServerState {
  role: 'primary' | 'replica';
  /** Written on a primary, replayed on a replica; undefined when it does not answer. */
  lsn: Lsn | undefined;
  /** Why it cannot take a backup; undefined when it can. */
  reason: string | undefined;
}

/** Asks the server of this node what it is, again and again, over one connection. */
export class ServerWatch {
  readonly #settings: Settings;
  readonly #limit: number;
  #session: PostgresSession | undefined;
  #role: ServerState['role'] | undefined;

  /** @param limit deadline of one look, ms */
  constructor(settings: Settings, limit: number) {
    this.#settings = settings;
    this.#limit = limit;
  }

  /** Asks now. Throws only the signal's reason: a server that is down is an answer too. */
  async look(signal: AbortSignal): Promise<ServerState> {
    const each = AbortSignal.any([signal, AbortSignal.timeout(this.#limit)]);
    try {
      const session = await this.#connect(each);
      // A standby's position is what it has replayed: there a backup of it can begin and end.
      const [row] = await session.query(
        `select pg_is_in_recovery() as recovering,
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_insert_lsn() end::text as lsn`,
        [],
        each,
      );
      this.#role = row?.recovering === true ? 'replica' : 'primary';
      return { role: this.#role, lsn: requireLsn(row?.lsn), reason: undefined };
    } catch (error) {
      await this.close();
      signal.throwIfAborted();
      const reason = each.aborted
        ? `PostgreSQL did not answer within ${this.#limit / 1000} s`
        : messageOf(error);
      return { role: this.#role ?? (await this.#guessRole()), lsn: undefined, reason };
    }
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  async #connect(signal: AbortSignal): Promise<PostgresSession> {
    if (this.#session !== undefined && !this.#session.lost.aborted) return this.#session;
    await this.close();
    const { pgdata } = this.#settings;
    this.#session = await connectPostgres(this.#settings, {
      pgdata,
      signal,
      applicationName: 'pgarc daemon',
    });
    return this.#session;
  }

  /** By the file that makes a server a standby, when it never answered. */
  async #guessRole(): Promise<ServerState['role']> {
    const { pgdata } = this.#settings;
    if (pgdata === undefined) return 'primary';
    return access(join(pgdata, 'standby.signal')).then(
      () => 'replica',
      () => 'primary',
    );
  }
}
