import { atEnd } from './cleanup.ts';
import type { TestPostgres } from './postgres.ts';
import { waitFor } from './wait.ts';

/** A moment in the life of a ledger. */
export interface Moment {
  /** The server's clock, as --target-time takes it. */
  time: string;
  /** Rows up to this id were committed before the moment. */
  committed: number;
  /** Rows after this id were sent after the moment; what lies between may be on either side. */
  sent: number;
}

/** A client that commits rows 1, 2, 3 … one by one and knows which ones the server has acknowledged. */
export interface Ledger {
  /** Id of the last row whose commit was acknowledged. */
  readonly committed: number;
  /** Waits until so many more rows are committed. */
  grow(rows: number): Promise<void>;
  /** Asks the server for its time, while rows go on being written. */
  remember(): Promise<Moment>;
  /** Stops writing. @returns id of the last acknowledged row */
  stop(): Promise<number>;
}

/** Starts to write rows into the table `ledger`, until stopped or until the server goes away. */
export async function startLedger(server: TestPostgres): Promise<Ledger> {
  await server.query('CREATE TABLE IF NOT EXISTS ledger (id bigint PRIMARY KEY, filler text)');
  const first = Number(await server.value('SELECT coalesce(max(id), 0) FROM ledger'));
  let committed = first;
  let sent = first;
  let stopped = false;

  async function write(): Promise<void> {
    while (!stopped) {
      sent += 1;
      await server.query('INSERT INTO ledger VALUES ($1, repeat(md5($2), 20))', [sent, String(sent)]);
      committed = sent;
    }
  }
  let failure: unknown;
  const writing = write().catch((error) => {
    failure = error;
  });
  atEnd(() => {
    stopped = true;
  });

  return {
    get committed() {
      return committed;
    },
    async grow(rows) {
      const goal = committed + rows;
      await waitFor(() => committed >= goal || failure !== undefined, {
        what: `row ${goal} of the ledger`,
        timeout: 120_000,
      });
      if (failure !== undefined) throw failure;
    },
    async remember() {
      const before = committed;
      const time = await server.value(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'",
      );
      return { time, committed: before, sent };
    },
    async stop() {
      stopped = true;
      await writing;
      return committed;
    },
  };
}

/** What is in the ledger of a restored server: its ids must be 1 … last without a gap, each with its content. */
export async function readLedger(server: TestPostgres): Promise<{ last: number; whole: boolean }> {
  const [row] = await server.query<{ last: string; rows: string; good: string }>(
    `SELECT coalesce(max(id), 0) AS last, count(*) AS rows,
            count(*) FILTER (WHERE filler = repeat(md5(id::text), 20)) AS good FROM ledger`,
  );
  const last = Number(row!.last);
  return { last, whole: Number(row!.rows) === last && Number(row!.good) === last };
}
