import { Command, CommanderError } from 'commander';
import { renderError } from '../../../cli/render-error.ts';
import { isPgarcError, PgarcError } from '../../../src/errors.ts';
import { composeFile } from './compose.ts';
import { type Cluster, describeCluster } from './describe.ts';
import { MOST_NODES, PG_VERSIONS, readOptions, type TypedOptions } from './options.ts';
import { writeCluster } from './write.ts';

const AFTER_HELP = `
Writes compose.yaml, haproxy.cfg and .env (new passwords; an .env that is there is kept) for: five members of etcd,
the nodes with Patroni and pgarc, MinIO for the archive, and HAProxy in front. Without --output it prints
compose.yaml only. Nodes and etcd are laid out over the data centres in turn, node1 in dc1, node2 in dc2 and so on.

With several data centres, only the first node of each may lead or be the synchronous standby, so that every commit
is in two of them; the others are replicas for reading (tags nofailover, nosync, clonefrom).

Ports, all on 127.0.0.1, from the base port on:
  +0 the leader   +1 the replicas   +2 HAProxy's status page   +3 MinIO   +4 its console
  +10 … PostgreSQL of each node, then Patroni's REST interface of each node

Examples:
  images/compose/gen-compose -n 6 -d 3 -p 15000 -v 15 -o cluster
  docker build -f images/patroni/Dockerfile --build-arg PG_MAJOR=15 -t pgarc-patroni:15 .
  cd cluster && docker compose up --wait

Exit codes: 0 done, 2 an option is wrong, 4 there are files already.`;

interface Given extends TypedOptions {
  output?: string;
  force?: boolean;
}

/** Runs the command line. @returns the exit code */
async function main(): Promise<number> {
  const program = new Command('gen-compose')
    .description('Makes compose files of a PostgreSQL cluster over simulated data centres.')
    .option('-n, --nodes <number>', `nodes with PostgreSQL, 1 to ${MOST_NODES}`, '3')
    .option('-d, --datacentres <number>', 'data centres, at most one a node', '1')
    .option('-p, --base-port <port>', 'first of the ports on this host', '15000')
    .option('-v, --pg-version <major>', `PostgreSQL: ${PG_VERSIONS.join(', ')}`, '15')
    .option('-s, --scope <name>', 'name of the cluster', 'pgarc')
    .option('-o, --output <folder>', 'where to write the files')
    .option('-f, --force', 'replace compose.yaml and haproxy.cfg that are there')
    .addHelpText('after', AFTER_HELP)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .parse();
  const given = program.opts<Given>();
  const cluster = describeCluster(readOptions(given));
  if (given.output === undefined) {
    process.stdout.write(composeFile(cluster));
    return 0;
  }
  const written = await writeCluster(cluster, given.output, given.force ?? false);
  process.stderr.write(summarize(cluster, given.output, written));
  return 0;
}

function summarize({ pgVersion, ports }: Cluster, folder: string, written: string[]): string {
  return [
    `wrote ${written.join(', ')} to ${folder}`,
    `image:  docker build -f images/patroni/Dockerfile --build-arg PG_MAJOR=${pgVersion} -t pgarc-patroni:${pgVersion} .`,
    `start:  cd ${folder} && docker compose up --wait`,
    `leader: 127.0.0.1:${ports.leader}, replicas: 127.0.0.1:${ports.replicas}, status: http://127.0.0.1:${ports.status}/`,
    '',
  ].join('\n');
}

function report(thrown: unknown): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
  const error =
    thrown instanceof CommanderError
      ? new PgarcError('usage', thrown.message.replace(/^error: /, ''), { hint: 'See `gen-compose --help`.' })
      : thrown;
  process.stderr.write(renderError(error, { stack: false }).replace(/^pgarc:/, 'gen-compose:'));
  return isPgarcError(error) ? error.exitCode : 1;
}

process.exitCode = await main().catch(report);
