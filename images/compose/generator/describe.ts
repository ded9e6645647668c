import type { ClusterOptions } from './options.ts';

/** Five: two may be lost, and a data centre of three is never more than two. */
const ETCD_MEMBERS = 5;

export interface EtcdMember {
  name: string;
  datacentre: string;
}

export interface ClusterNode {
  name: string;
  datacentre: string;
  /** Patroni's tags, as the image takes them. */
  tags: Record<string, string>;
  /** May lead, and may be the synchronous standby. */
  candidate: boolean;
  /** Ports on this host. */
  ports: { postgres: number; patroni: number };
  /** What this node's environment has of its own; the same in a container and as a process. */
  environment: Record<string, string>;
}

/** A cluster, with everything decided but where it runs. */
export interface Cluster {
  scope: string;
  pgVersion: number;
  datacentres: string[];
  etcd: EtcdMember[];
  nodes: ClusterNode[];
  /** Ports on this host: HAProxy's to the leader, to the replicas and of its status page; MinIO's two. */
  ports: { leader: number; replicas: number; status: number; store: number; console: number };
  /** What the environment of every node has. */
  environment: Record<string, string>;
}

/**
 * Lays a cluster out over its data centres, in turn. With several, the first node of each is a candidate for leader
 * and synchronous standby, so that a commit is always in two data centres; the others are replicas for reading, and
 * new replicas copy from them.
 */
export function describeCluster(options: ClusterOptions): Cluster {
  const { nodes, datacentres: count, basePort } = options;
  const datacentres = numbered('dc', count);
  return {
    scope: options.scope,
    pgVersion: options.pgVersion,
    datacentres,
    etcd: numbered('etcd', ETCD_MEMBERS).map((name, index) => ({
      name,
      datacentre: `dc${(index % count) + 1}`,
    })),
    nodes: numbered('node', nodes).map((name, index) => describeNode(name, index, options)),
    ports: {
      leader: basePort,
      replicas: basePort + 1,
      status: basePort + 2,
      store: basePort + 3,
      console: basePort + 4,
    },
    environment: {
      PATRONI_SCOPE: options.scope,
      SYNCHRONOUS_MODE: String(nodes > 1),
    },
  };
}

function describeNode(
  name: string,
  index: number,
  { nodes, datacentres, basePort }: ClusterOptions,
): ClusterNode {
  const datacentre = `dc${(index % datacentres) + 1}`;
  const candidate = datacentres === 1 || index < datacentres;
  const tags: Record<string, string> = { datacentre };
  if (!candidate) Object.assign(tags, { nofailover: 'true', nosync: 'true', clonefrom: 'true' });
  return {
    name,
    datacentre,
    tags,
    candidate,
    ports: { postgres: basePort + 10 + index, patroni: basePort + 10 + nodes + index },
    environment: { NODE_ID: name, PATRONI_TAGS: printTags(tags) },
  };
}

function printTags(tags: Record<string, string>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index + 1}`);
}
