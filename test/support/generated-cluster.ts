import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster, ClusterNode } from '../../images/compose/generator/describe.ts';
import { haproxyConfig } from '../../images/compose/generator/haproxy.ts';
import { atEnd } from './cleanup.ts';
import { makePatroniCluster, type PatroniCluster } from './patroni-cluster.ts';
import type { PatroniNode } from './patroni-node.ts';
import { freePort } from './ports.ts';
import { startProgram } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { giveAway } from './unprivileged.ts';
import { waitFor } from './wait.ts';

/** A cluster as gen-compose describes it, its nodes and its HAProxy run as processes. */
export interface GeneratedCluster {
  readonly cluster: PatroniCluster;
  /** HAProxy's three ports of 127.0.0.1. */
  readonly ports: { leader: number; replicas: number; status: number };
  /** What gen-compose says of a node. */
  plan(node: PatroniNode): ClusterNode;
}

/** Starts the servers with the generated settings; the nodes are made, not started. */
export async function makeGeneratedCluster(described: Cluster): Promise<GeneratedCluster> {
  const made = await makePatroniCluster({ nodes: 0, scope: described.scope, env: described.environment });
  for (const { name, environment } of described.nodes) await made.addNode(name, environment);
  const ports = { leader: await freePort(), replicas: await freePort(), status: await freePort() };
  const config = haproxyConfig({
    backends: made.nodes.map(({ name, place, pgPort, apiPort }) => ({
      ...{ name, host: place.address },
      ...{ postgres: pgPort, patroni: apiPort },
    })),
    listen: {
      leader: `127.0.0.1:${ports.leader}`,
      replicas: `127.0.0.1:${ports.replicas}`,
      status: `127.0.0.1:${ports.status}`,
    },
  });
  const stop = await startGeneratedHaproxy(config, ports.status);
  return {
    cluster: { ...made, nodes: made.nodes, haproxy: { port: ports.leader, stop } },
    ports,
    plan: (node) => described.nodes.find(({ name }) => name === node.name)!,
  };
}

async function startGeneratedHaproxy(config: string, statusPort: number): Promise<() => Promise<void>> {
  const file = join(await makeTemporaryFolder('haproxy'), 'haproxy.cfg');
  await writeFile(file, config);
  giveAway(file);
  const running = startProgram('haproxy', ['-db', '-f', file], { timeout: 3_600_000 });
  const stop = async () => {
    running.child.kill('SIGTERM');
    await running.result;
  };
  atEnd(stop);
  await waitFor(async () => (await fetch(`http://127.0.0.1:${statusPort}/`)).ok, {
    what: "HAProxy's status page",
  });
  return stop;
}
