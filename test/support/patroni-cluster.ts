import { startEtcd, type TestEtcd } from './etcd.ts';
import { startHaproxy, type TestHaproxy } from './haproxy.ts';
import { startMinio, type TestMinio } from './minio.ts';
import { makeNetwork, type TestNetwork } from './network.ts';
import { makePatroniNode, type PatroniNode } from './patroni-node.ts';
import { mustRun } from './run.ts';
import { waitFor } from './wait.ts';

/** Whatever characters an operator's passwords have. */
const PASSWORDS = {
  superuser: `su'per "word" \\ : #%{[`,
  replication: `re'pl \\n: @&*!|>`,
  admin: `ad'min\\ : %s $HOME`,
};

/** etcd, MinIO and nodes of Patroni and PostgreSQL with HAProxy before them. */
export interface PatroniCluster {
  readonly scope: string;
  readonly network: TestNetwork;
  readonly etcd: TestEtcd;
  readonly minio: TestMinio;
  readonly nodes: readonly PatroniNode[];
  readonly haproxy: TestHaproxy;
  readonly superuserPassword: string;
  readonly adminPassword: string;
  /** Adds a node, not started. */
  addNode(name: string, env?: Record<string, string | undefined>): Promise<PatroniNode>;
  /** The node that Patroni says is the primary; undefined when there is none just now. */
  findLeader(): Promise<PatroniNode | undefined>;
  /** Waits for a leader, another one than the given. */
  leader(other?: PatroniNode): Promise<PatroniNode>;
  /** Waits until these nodes, all by default, stream from the leader. @returns the leader */
  whole(nodes?: readonly PatroniNode[]): Promise<PatroniNode>;
  /** Runs patronictl with the settings of a node that has some. */
  ctl(...args: string[]): Promise<string>;
  /** Changes the cluster's settings in etcd, as `patronictl edit-config` does. */
  configure(settings: Record<string, unknown>): Promise<void>;
  /** Keys of the scope's archive, without its prefix. */
  keys(prefix?: string): Promise<string[]>;
}

export interface PatroniClusterOptions {
  nodes?: number;
  env?: Record<string, string | undefined>;
  scope?: string;
  /** Share servers and network with another cluster. */
  beside?: PatroniCluster;
}

/** Starts the servers; the nodes are made, not started. Everything is gone when the test file ends. */
export async function makePatroniCluster(options: PatroniClusterOptions = {}): Promise<PatroniCluster> {
  const { beside, scope = 'tests', nodes: count = 3 } = options;
  const network = beside?.network ?? (await makeNetwork());
  const [etcd, minio] = await Promise.all([
    beside?.etcd ?? startEtcd({ members: 3, host: network.gateway }),
    beside?.minio ?? startMinio(),
  ]);
  const store = await publishOnce(network, Number(new URL(minio.endpoint).port), beside);
  const nodes: PatroniNode[] = [];
  const cluster: Omit<PatroniCluster, 'haproxy'> & { haproxy: TestHaproxy | undefined } = {
    scope,
    network,
    etcd,
    minio,
    nodes,
    haproxy: undefined,
    superuserPassword: PASSWORDS.superuser,
    adminPassword: PASSWORDS.admin,

    async addNode(name, env = {}) {
      const node = await makePatroniNode({
        place: await network.addPlace(name),
        isIsolated: network.isIsolated,
        superuserPassword: PASSWORDS.superuser,
        env: {
          PATRONI_SCOPE: scope,
          ETCD_HOST_PORT: etcd.endpoints,
          SUPERUSER_PASSWORD: PASSWORDS.superuser,
          REPLICATION_PASSWORD: PASSWORDS.replication,
          ADMIN_PASSWORD: PASSWORDS.admin,
          WAL_S3_BUCKET: minio.bucket,
          WALE_S3_ENDPOINT: `http+path://${store}`,
          AWS_ACCESS_KEY_ID: minio.accessKey,
          AWS_SECRET_ACCESS_KEY: minio.secretKey,
          AWS_REGION: 'us-east-1',
          ...QUICK,
          ...options.env,
          ...env,
        },
      });
      nodes.push(node);
      return node;
    },
    async findLeader() {
      const answers = await Promise.all(
        nodes.map((node) =>
          node.ask('/primary').then(
            // Patroni says 200 as soon as it has the lock, while its server may still take WAL from the leader before.
            ({ status, body }) => status === 200 && /^(primary|master)$/.test(String(body.role)),
            () => false,
          ),
        ),
      );
      const leading = nodes.filter((_, index) => answers[index]);
      return leading.length === 1 ? leading[0] : undefined;
    },
    leader: (other) =>
      waitFor(
        async () => {
          const found = await cluster.findLeader();
          return found === other ? undefined : found;
        },
        { timeout: 180_000, interval: 200, what: `a leader${other ? ` other than ${other.name}` : ''}` },
      ),
    async whole(wanted = nodes) {
      return waitFor(
        async () => {
          const leader = await cluster.findLeader();
          if (leader === undefined) return undefined;
          const names = await leader.query<{ application_name: string }>(
            "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'",
          );
          const streaming = new Set(names.map((row) => row.application_name));
          for (const node of wanted) {
            if (node === leader) continue;
            const { status } = await node.ask('/replica');
            if (status !== 200 || !streaming.has(node.name)) return undefined;
          }
          // Without one nobody may take over: Patroni first has to write down who it is.
          const isSafe = wanted.length === 1 || (await hasSynchronous(cluster, leader));
          return isSafe ? leader : undefined;
        },
        {
          timeout: 180_000,
          interval: 200,
          what: `${wanted.map(({ name }) => name)} to be a leader and its replicas`,
        },
      );
    },
    ctl: (...args) => {
      const node = nodes.find((one) => one.isRunning()) ?? nodes[0]!;
      return mustRun('patronictl', ['-c', node.configFile, ...args]);
    },
    async configure(settings) {
      const leader = await cluster.leader();
      const answer = await fetch(`http://${leader.place.address}:${leader.apiPort}/config`, {
        method: 'PATCH',
        body: JSON.stringify(settings),
      });
      if (!answer.ok) throw new Error(`Patroni refused ${JSON.stringify(settings)}: ${await answer.text()}`);
    },
    async keys(prefix = '') {
      const root = `backups/${scope}/wal/`;
      return (await minio.keys(`${root}${prefix}`)).map((key) => key.slice(root.length));
    },
  };
  for (let number = 1; number <= count; number++) await cluster.addNode(`${scope}${number}`);
  cluster.haproxy = await startHaproxy(
    nodes.map(({ name, place, pgPort, apiPort }) => ({ name, address: place.address, pgPort, apiPort })),
  );
  return cluster as PatroniCluster;
}

type Synchronous = Pick<PatroniCluster, 'etcd' | 'scope' | 'nodes'>;

async function hasSynchronous(cluster: Synchronous, leader: PatroniNode): Promise<boolean> {
  if (cluster.nodes.every(({ env }) => env.SYNCHRONOUS_MODE !== 'true')) return true;
  return (await findSynchronous(cluster, leader)) !== undefined;
}

/**
 * The replica that has every commit: the only one that may take over. As etcd has it, because that is what counts: a
 * replica goes on saying that it is the one for a moment after a new leader has begun without any.
 */
export async function findSynchronous(
  { etcd, scope, nodes }: Synchronous,
  leader: PatroniNode,
): Promise<PatroniNode | undefined> {
  const value = await etcd.get(`/service/${scope}/sync`);
  const sync = JSON.parse(value ?? '{}') as { leader?: string; sync_standby?: string | null };
  return sync.leader === leader.name ? nodes.find(({ name }) => name === sync.sync_standby) : undefined;
}

/** Short times, a small server, and no nightly jobs in between. */
const QUICK = {
  PATRONI_TTL: '20',
  PATRONI_LOOP_WAIT: '1',
  PATRONI_RETRY_TIMEOUT: '3',
  // A commit that was acknowledged is on two nodes.
  SYNCHRONOUS_MODE: 'true',
  ARCHIVE_TIMEOUT: '60',
  RESTART_LIMIT: '100',
  PGARC_SCHEDULE_BACKUP_CRON: '',
  PG_PARAMETERS: [
    'fsync=off',
    'shared_buffers=32MB',
    'wal_retrieve_retry_interval=500ms',
    'min_wal_size=32MB',
    'log_min_messages=info',
  ].join('\n'),
} satisfies Record<string, string>;

const published = new Map<number, string>();

async function publishOnce(network: TestNetwork, port: number, beside: unknown): Promise<string> {
  const known = beside === undefined ? undefined : published.get(port);
  const address = known ?? (await network.publish(port));
  published.set(port, address);
  return address;
}
