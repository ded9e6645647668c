import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { composeFile } from '../../../images/compose/generator/compose.ts';
import { type Cluster, describeCluster } from '../../../images/compose/generator/describe.ts';
import { haproxyConfig } from '../../../images/compose/generator/haproxy.ts';
import { countPorts, readOptions, type TypedOptions } from '../../../images/compose/generator/options.ts';
import { composeHaproxy } from '../../../images/compose/generator/write.ts';

const typed: TypedOptions = {
  nodes: '6',
  datacentres: '3',
  basePort: '15000',
  pgVersion: '15',
  scope: 'pgarc',
};

function describe(more: Partial<TypedOptions> = {}): Cluster {
  return describeCluster(readOptions({ ...typed, ...more }));
}

test.each<[what: string, more: Partial<TypedOptions>, message: string, hint: string]>([
  ['no node', { nodes: '0' }, "--nodes: '0'", 'from 1 to 64'],
  ['too many nodes', { nodes: '65' }, "--nodes: '65'", 'from 1 to 64'],
  ['a word', { nodes: 'six' }, "--nodes: 'six'", 'whole numbers'],
  ['a fraction', { nodes: '2.5' }, "--nodes: '2.5'", 'whole numbers'],
  ['hexadecimal', { nodes: '0x3' }, "--nodes: '0x3'", 'whole numbers'],
  ['no data centre', { datacentres: '0' }, "--datacentres: '0'", 'from 1 to 6'],
  ['more data centres than nodes', { datacentres: '7' }, "--datacentres: '7'", 'as many as there are nodes'],
  ['a port of root', { basePort: '80' }, "--base-port: '80'", 'from 1024 to 65514'],
  ['no room above the base port', { basePort: '65515' }, "--base-port: '65515'", 'to 65514'],
  ['an old PostgreSQL', { pgVersion: '12' }, "--pg-version: '12'", '13, 14, 15, 16, 17, 18'],
  ['a minor version', { pgVersion: '15.1' }, "--pg-version: '15.1'", '13, 14, 15, 16, 17, 18'],
  ['a path as scope', { scope: '../x' }, "--scope: '../x'", 'lower-case'],
])('refuses %s', (_, more, message, hint) => {
  expect(() => describe(more)).toThrow(
    expect.objectContaining({
      code: 'usage',
      exitCode: 2,
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    }),
  );
});

const sizes = [1, 2, 3, 5, 6, 17, 64].flatMap((nodes) =>
  [1, 2, 3, 5, nodes].filter((count) => count <= nodes).map((datacentres) => ({ nodes, datacentres })),
);

test.each(sizes)('$nodes nodes over $datacentres data centres', ({ nodes, datacentres }) => {
  const cluster = describe({ nodes: String(nodes), datacentres: String(datacentres) });
  expect(cluster.etcd).toHaveLength(5);
  expect(cluster.nodes).toHaveLength(nodes);
  const ports = [
    ...Object.values(cluster.ports),
    ...cluster.nodes.flatMap((node) => Object.values(node.ports)),
  ];
  expect(new Set(ports).size).toBe(ports.length);
  expect(Math.min(...ports)).toBe(15_000);
  expect(Math.max(...ports)).toBeLessThan(15_000 + countPorts(nodes));
  for (const datacentre of cluster.datacentres) {
    const here = cluster.nodes.filter((node) => node.datacentre === datacentre);
    // Data centres differ by one node at most, and each has somebody who can lead.
    expect(Math.abs(here.length - nodes / datacentres)).toBeLessThan(1);
    expect(here.filter(({ candidate }) => candidate)).toHaveLength(datacentres === 1 ? nodes : 1);
    // From three on, etcd lives on without one of them.
    const lost = cluster.etcd.filter((member) => member.datacentre === datacentre).length;
    if (datacentres >= 3) expect(lost).toBeLessThanOrEqual(2);
  }
  for (const { candidate, tags, environment } of cluster.nodes) {
    expect(tags.nofailover === 'true' && tags.nosync === 'true').toBe(!candidate);
    expect(environment.PATRONI_TAGS).toContain(`datacentre=${tags.datacentre}`);
  }
});

test('one node is not made to wait for a synchronous standby', () => {
  expect(describe({ nodes: '1', datacentres: '1' }).environment.SYNCHRONOUS_MODE).toBe('false');
  expect(describe({ nodes: '2', datacentres: '1' }).environment.SYNCHRONOUS_MODE).toBe('true');
});

test('the files of 6 nodes over 3 data centres', async () => {
  const cluster = describe();
  await expect(composeFile(cluster)).toMatchFileSnapshot('golden/compose-6-nodes-3-datacentres.yaml');
  await expect(composeHaproxy(cluster)).toMatchFileSnapshot('golden/haproxy-6-nodes.cfg');
});

test('the files of one node', async () => {
  const cluster = describe({ nodes: '1', datacentres: '1', pgVersion: '17', basePort: '2000', scope: 'one' });
  await expect(composeFile(cluster)).toMatchFileSnapshot('golden/compose-1-node.yaml');
});

test('every service has a health check, comes back by itself, and is published on this host only', () => {
  const { services } = parse(composeFile(describe()), { merge: true }) as {
    services: Record<
      string,
      { healthcheck?: object; restart?: string; ports?: string[]; networks: string[] }
    >;
  };
  expect(Object.keys(services)).toHaveLength(1 + 5 + 6 + 1);
  for (const [name, service] of Object.entries(services)) {
    expect(service.healthcheck, name).toBeDefined();
    expect(service.restart, name).toBe('unless-stopped');
    expect(service.networks, name).toContain('wan');
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
});

test('haproxy.cfg for processes has their addresses and asks no name server', async () => {
  const text = haproxyConfig({
    backends: [{ name: 'node1', host: '127.0.0.1', postgres: 7001, patroni: 7002 }],
    listen: { leader: '127.0.0.1:7003', replicas: '127.0.0.1:7004', status: '127.0.0.1:7005' },
  });
  expect(text).toContain('server node1 127.0.0.1:7001 check port 7002');
  expect(text).not.toContain('resolvers');
});
