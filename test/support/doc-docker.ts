import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import { atEnd } from './cleanup.ts';
import type { PatroniNode } from './patroni-node.ts';
import { ROOT } from './pgarc.ts';
import { findBinaries } from './postgres-binaries.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged } from './unprivileged.ts';
import { waitFor } from './wait.ts';

/** What `docker` of a page stands for here: nodes that are processes, with the environment and paths of the image. */
export interface DocDocker {
  /** Folder with a program `docker`: compose exec, run, up, start, stop, kill and logs. */
  readonly folder: string;
  /** Makes a node known that came later. */
  add(node: PatroniNode): Promise<void>;
}

/** Settings of a compose file that a page changes; all others are the test's own. */
const TAKEN = ['BOOTSTRAP_TARGET_TIME', 'WALE_BACKUP_THRESHOLD_PERCENTAGE'];

export async function makeDocDocker(
  nodes: readonly PatroniNode[],
  etcdEndpoints: string,
): Promise<DocDocker> {
  const folder = await makeTemporaryFolder('docker');
  const known: PatroniNode[] = [];

  async function act(cwd: string, verb: string, words: readonly string[]): Promise<string> {
    const names = words.filter((word) => !word.startsWith('-'));
    const meant = names.length === 0 ? known : known.filter(({ name }) => names.includes(name));
    if (meant.length < names.length) throw new Error(`no such service: ${names}`);
    if (verb === 'logs') return meant[0]!.log();
    await Promise.all(meant.map((node) => change(node, verb, cwd)));
    return '';
  }

  async function change(node: PatroniNode, verb: string, cwd: string): Promise<void> {
    if (verb === 'stop') await node.stop();
    else if (verb === 'kill') await node.kill();
    else if (!node.isRunning()) {
      node.start(await readSettings(cwd));
      if (verb === 'up') {
        await waitFor(async () => (await node.ask('/liveness')).status === 200, {
          what: `${node.name} to be healthy`,
        });
      }
    }
  }

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const [cwd = '', verb = '', ...words] = body.split('\n');
      act(cwd, verb, words).then(
        (text) => response.end(text),
        (error) => response.writeHead(500).end(String(error)),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.close();
    server.closeAllConnections();
  });

  async function add(node: PatroniNode): Promise<void> {
    known.push(node);
    await writeNodeProgram(folder, node);
  }

  for (const node of nodes) await add(node);
  await mkdir(join(folder, 'bin'));
  await symlink(join(ROOT, 'images/patroni/health'), join(folder, 'bin/healthcheck'));
  const { port } = server.address() as AddressInfo;
  const etcd = `export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=${etcdEndpoints}; shift; exec "$@"`;
  await writeProgram(join(folder, 'docker'), [
    '[ "$1" = compose ] || exit 125; shift',
    'while [ "$1" = -f ]; do shift 2; done',
    'case $1 in',
    `  exec) shift; case $1 in etcd*) ${etcd} ;; esac; node=$1; shift; exec ${folder}/in-$node "$@" ;;`,
    // run --rm --no-deps --entrypoint PROGRAM NODE ARGUMENTS
    `  run) shift 4; program=$1 node=$2; shift 2; exec ${folder}/in-$node "$program" "$@" ;;`,
    'esac',
    `printf '%s\\n' "$PWD" "$@" | head -c -1 | exec curl -fsS --max-time 110 --data-binary @- http://127.0.0.1:${port}/`,
  ]);
  return { folder, add };
}

/** A program that runs another one as `docker compose exec` does: in the node's place, with the image's variables. */
async function writeNodeProgram(folder: string, node: PatroniNode): Promise<void> {
  const { dataDir, stateDir, configFile, pgPort, env, name } = node;
  const runDir = configFile.replace(/\/patroni\.yml$/, '');
  const variables = {
    PGARC_SCHEDULE_BACKUP_CRON: '0 1 * * *',
    ...env,
    PATH: [join(folder, 'bin'), findBinaries(15), join(ROOT, 'cli'), process.env.PATH].join(':'),
    PGHOST: runDir,
    PGPORT: String(pgPort),
    PGUSER: 'postgres',
    PGPASSFILE: join(runDir, 'passfile'),
    PGDATABASE: 'postgres',
    PATRONICTL_CONFIG_FILE: configFile,
    // As a container's host name is.
    PGARC_NODE_NAME: name,
    NO_COLOR: '1',
    PAGER: 'cat',
  };
  const [file, args] = node.place.inside(...asUnprivileged('env', ['-C', node.folder]));
  await writeProgram(join(folder, `in-${name}`), [
    ...Object.entries(variables).map(([key, value]) => `export ${key}=${quote(value)}`),
    `set -- "\${@//\\/data\\/postgres/${dataDir}}"`,
    `set -- "\${@//\\/data\\/pgarc-state/${stateDir}}"`,
    `set -- "\${@//\\/run\\/pgarc/${runDir}}"`,
    `exec ${[file, ...args].map(quote).join(' ')} "$@"`,
  ]);
}

async function readSettings(cwd: string): Promise<Record<string, string>> {
  const text = await readFile(join(cwd, 'compose.yaml'), 'utf8').catch(() => '');
  const { 'x-environment': environment = {} } = (parse(text, { merge: true }) ?? {}) as {
    'x-environment'?: Record<string, unknown>;
  };
  return Object.fromEntries(
    TAKEN.flatMap((name) => (environment[name] === undefined ? [] : [[name, String(environment[name])]])),
  );
}

async function writeProgram(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `#!/bin/bash\n${lines.join('\n')}\n`);
  await chmod(path, 0o755);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
