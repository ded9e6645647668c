import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from './cleanup.ts';
import type { PatroniCluster } from './patroni-cluster.ts';
import type { PatroniNode } from './patroni-node.ts';
import { waitFor } from './wait.ts';

/** A client of a cluster that goes on through failovers and records every commit that was acknowledged. */
export interface ClusterLedger {
  /** How many commits were acknowledged so far. */
  readonly acknowledged: number;
  /** Waits for so many more. */
  grow(rows: number): Promise<void>;
  /** The server's clock, and which rows were acknowledged before it was asked, sent before it had answered. */
  remember(): Promise<{ time: string; acknowledged: Set<number>; sent: number }>;
  /** Stops writing. */
  stop(): Promise<void>;
  /** Ids that were acknowledged and are not in this server's table, or not with their content. */
  missing(node: PatroniNode): Promise<number[]>;
}

/**
 * Starts to write into the table `ledger` through HAProxy. Each attempt has an id of its own: an answer that was
 * lost leaves a row that may be there or not, and says nothing about the next one.
 */
export async function startClusterLedger(cluster: PatroniCluster): Promise<ClusterLedger> {
  const { default: pg } = await import('pg');
  type Client = InstanceType<typeof pg.Client>;
  const acknowledged = new Set<number>();
  let sent = 0;
  let stopped = false;
  let current: Client | undefined;

  async function connect(): Promise<Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: cluster.haproxy.port,
      user: 'postgres',
      password: cluster.superuserPassword,
      database: 'postgres',
      connectionTimeoutMillis: 5000,
      // A commit may wait for a synchronous standby that has just died; a cut network answers nothing at all.
      query_timeout: 15_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async function attempt(): Promise<void> {
    current ??= await connect();
    sent += 1;
    const id = sent;
    await current.query('INSERT INTO ledger VALUES ($1, repeat(md5($2), 20))', [id, String(id)]);
    acknowledged.add(id);
  }

  async function drop(): Promise<void> {
    const client = current;
    current = undefined;
    // A client whose server is gone may never answer.
    if (client !== undefined) await Promise.race([client.end().catch(() => undefined), sleep(1000)]);
  }

  async function write(): Promise<void> {
    while (!stopped) {
      try {
        await attempt();
        await sleep(5);
      } catch {
        await drop();
        await sleep(100);
      }
    }
    await drop();
  }

  await waitFor(
    async () => {
      const client = await connect();
      try {
        await client.query('CREATE TABLE IF NOT EXISTS ledger (id bigint PRIMARY KEY, filler text)');
        await client.query('TRUNCATE ledger');
        return true;
      } finally {
        await client.end();
      }
    },
    { what: 'the table of the ledger', timeout: 120_000, interval: 200 },
  );
  const writing = write();
  atEnd(async () => {
    stopped = true;
    await writing;
  });

  return {
    get acknowledged() {
      return acknowledged.size;
    },
    async grow(rows) {
      const goal = acknowledged.size + rows;
      await waitFor(() => acknowledged.size >= goal, { what: `${rows} more commits`, timeout: 180_000 });
    },
    async remember() {
      const before = new Set(acknowledged);
      const leader = await cluster.leader();
      const time = await leader.value(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'",
      );
      return { time, acknowledged: before, sent };
    },
    async stop() {
      stopped = true;
      await writing;
    },
    async missing(node) {
      const expected = [...acknowledged];
      const rows = await node.query<{ id: string }>(
        'SELECT id FROM ledger WHERE filler = repeat(md5(id::text), 20)',
      );
      const there = new Set(rows.map(({ id }) => Number(id)));
      return expected.filter((id) => !there.has(id));
    },
  };
}
