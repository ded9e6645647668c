import { Document, type Node, type YAMLMap } from 'yaml';
import type { Cluster, ClusterNode, EtcdMember } from './describe.ts';

/** Ports within the network of compose. */
export const INSIDE = { postgres: 5432, patroni: 8008, leader: 5000, replicas: 5001, status: 7000 } as const;

/** Docker's own name server, which every container of a network has. */
export const DOCKER_NAMES = '127.0.0.11:53';

const BUCKET = 'pgarc';

// Whoever is in a data centre is in its network and in the one between them, `wan`.
const HEADER = `Made by gen-compose. Run it in the folder of haproxy.cfg and .env:

  docker compose up --wait

To cut a node off from the other data centres, and to bring it back:

  docker network disconnect PROJECT_wan PROJECT-node1-1
  docker network connect --alias node1 PROJECT_wan PROJECT-node1-1`;

/** The text of compose.yaml for a cluster. */
export function composeFile(cluster: Cluster): string {
  const document = new Document({ name: cluster.scope }, { merge: true });
  document.commentBefore = HEADER.replaceAll('PROJECT', cluster.scope).replaceAll(/^(?=.)/gm, ' ');
  const add = (key: string, value: unknown) => document.set(key, document.createNode(value));
  // What all have in common stands once, above the services.
  const share = (name: string, value: unknown): Node => {
    add(`x-${name}`, value);
    return document.createAlias(document.get(`x-${name}`) as YAMLMap, name);
  };
  const etcd = share('etcd', etcdCommon(cluster));
  const environment = share('environment', environmentOf(cluster));
  const postgres = share('postgres', postgresCommon(cluster));
  add('services', {
    minio: minioService(cluster),
    ...Object.fromEntries(cluster.etcd.map((member) => [member.name, etcdService(member, etcd)])),
    ...Object.fromEntries(
      cluster.nodes.map((node) => [node.name, nodeService(node, postgres, environment)] as const),
    ),
    haproxy: haproxyService(cluster),
  });
  add('networks', Object.fromEntries(['wan', ...cluster.datacentres].map((name) => [name, {}])));
  const volumes = [
    'minio',
    ...cluster.etcd.map(({ name }) => name),
    ...cluster.nodes.map(({ name }) => name),
  ];
  add('volumes', Object.fromEntries(volumes.map((name) => [name, {}])));
  return document.toString({ lineWidth: 0, singleQuote: true });
}

function minioService({ ports }: Cluster): object {
  return {
    image: `\${MINIO_IMAGE:-quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z}`,
    // A folder that exists before MinIO starts is a bucket.
    entrypoint: ['sh', '-c', `mkdir -p /data/${BUCKET} && exec minio server /data --console-address :9001`],
    environment: {
      MINIO_ROOT_USER: required('AWS_ACCESS_KEY_ID'),
      MINIO_ROOT_PASSWORD: required('AWS_SECRET_ACCESS_KEY'),
    },
    ports: [publish(ports.store, 9000), publish(ports.console, 9001)],
    networks: ['wan'],
    volumes: ['minio:/data'],
    healthcheck: health(['curl', '--fail', '--silent', 'http://127.0.0.1:9000/minio/health/ready']),
    restart: 'unless-stopped',
  };
}

function etcdCommon({ scope, etcd }: Cluster): object {
  return {
    image: `\${ETCD_IMAGE:-quay.io/coreos/etcd:v3.5.21}`,
    command: [
      'etcd',
      '--data-dir=/etcd-data',
      '--listen-client-urls=http://0.0.0.0:2379',
      '--listen-peer-urls=http://0.0.0.0:2380',
      `--initial-cluster=${etcd.map(({ name }) => `${name}=http://${name}:2380`).join(',')}`,
      `--initial-cluster-token=${scope}`,
      '--initial-cluster-state=new',
      // Patroni writes every few seconds; old revisions are of no use.
      '--auto-compaction-retention=1h',
    ],
    healthcheck: health(['etcdctl', 'endpoint', 'health']),
    restart: 'unless-stopped',
  };
}

function etcdService({ name, datacentre }: EtcdMember, common: Node): object {
  return {
    '<<': common,
    hostname: name,
    environment: {
      ETCD_NAME: name,
      ETCD_ADVERTISE_CLIENT_URLS: `http://${name}:2379`,
      ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://${name}:2380`,
    },
    networks: ['wan', datacentre],
    volumes: [`${name}:/etcd-data`],
  };
}

function environmentOf({ etcd, environment }: Cluster): Record<string, string> {
  return {
    ...environment,
    ETCD_HOST_PORT: etcd.map(({ name }) => `${name}:2379`).join(','),
    SUPERUSER_PASSWORD: required('SUPERUSER_PASSWORD'),
    REPLICATION_PASSWORD: required('REPLICATION_PASSWORD'),
    ADMIN_PASSWORD: required('ADMIN_PASSWORD'),
    WAL_S3_BUCKET: BUCKET,
    WALE_S3_ENDPOINT: 'http+path://minio:9000',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: required('AWS_ACCESS_KEY_ID'),
    AWS_SECRET_ACCESS_KEY: required('AWS_SECRET_ACCESS_KEY'),
  };
}

function postgresCommon({ pgVersion, etcd }: Cluster): object {
  return {
    image: `\${PGARC_PATRONI_IMAGE:-pgarc-patroni:${pgVersion}}`,
    depends_on: Object.fromEntries(
      [...etcd.map(({ name }) => name), 'minio'].map((name) => [name, { condition: 'service_healthy' }]),
    ),
    // Patroni lives; a replica may take long to be made, and is well meanwhile.
    healthcheck: health(['healthcheck']),
    // The server's last checkpoint, and uploads under way.
    stop_grace_period: '60s',
    restart: 'unless-stopped',
  };
}

function nodeService(node: ClusterNode, common: Node, environment: Node): object {
  return {
    '<<': common,
    hostname: node.name,
    environment: { '<<': environment, DOCKER_HOSTNAME: node.name, ...node.environment },
    ports: [publish(node.ports.postgres, INSIDE.postgres), publish(node.ports.patroni, INSIDE.patroni)],
    networks: ['wan', node.datacentre],
    volumes: [`${node.name}:/data`],
  };
}

function haproxyService({ ports, nodes }: Cluster): object {
  return {
    image: `\${HAPROXY_IMAGE:-haproxy:2.8-alpine}`,
    depends_on: nodes.map(({ name }) => name),
    ports: [
      publish(ports.leader, INSIDE.leader),
      publish(ports.replicas, INSIDE.replicas),
      publish(ports.status, INSIDE.status),
    ],
    networks: ['wan'],
    volumes: ['./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro'],
    healthcheck: health(['wget', '-q', '-O', '/dev/null', `http://127.0.0.1:${INSIDE.status}/`]),
    restart: 'unless-stopped',
  };
}

function health(command: string[]): object {
  return { test: ['CMD', ...command], interval: '5s', timeout: '5s', start_period: '30s', retries: 6 };
}

/** On this host only: what is simulated here has no TLS. */
function publish(outside: number, inside: number): string {
  return `127.0.0.1:${outside}:${inside}`;
}

function required(name: string): string {
  return `\${${name}:?is missing, see .env}`;
}
