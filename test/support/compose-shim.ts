import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import type { PatroniNode } from './patroni-node.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged } from './unprivileged.ts';

export interface ComposeShim {
  /** Stands in for `docker compose`: exec, ps, kill, start, logs and down, for nodes that are processes. */
  readonly program: string;
  /** Command lines it was asked to do beside exec, in order. */
  readonly asked: string[];
}

/** Makes a program that does to nodes what `docker compose` does to containers. */
export async function makeComposeShim(nodes: readonly PatroniNode[]): Promise<ComposeShim> {
  const folder = await makeTemporaryFolder('shim');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => void obey(body, response));
  });

  async function obey(line: string, response: ServerResponse): Promise<void> {
    const words = line.trim().split(' ');
    asked.push(words.join(' '));
    const node = nodes.find(({ name }) => name === words.at(-1));
    try {
      response.end(await act(words[0]!, node));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  }

  async function act(verb: string, node: PatroniNode | undefined): Promise<string> {
    switch (verb) {
      case 'ps':
        return nodes.flatMap((one) => (one.isRunning() ? [`${one.name}\n`] : [])).join('');
      case 'kill':
        await node!.kill();
        return '';
      case 'start':
        node!.start();
        return '';
      case 'logs':
        return node!.log();
      default:
        return '';
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  for (const node of nodes) {
    const [file, args] = node.place.inside(...asUnprivileged('env', ['-C', node.folder]));
    const variables = Object.entries(node.env).map(([name, value]) => `export ${name}=${quote(value)}`);
    const command = [file, ...args].map(quote).join(' ');
    await writeProgram(join(folder, `exec-${node.name}`), `${variables.join('\n')}\nexec ${command} "$@"`);
  }
  const program = join(folder, 'compose');
  await writeProgram(
    program,
    `if [ "$1" = exec ]; then
  node=$3
  shift 3
  exec ${quote(folder)}/exec-"$node" "$@"
fi
exec curl -fsS --data-raw "$*" http://127.0.0.1:${port}/`,
  );
  return { program, asked };
}

async function writeProgram(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\nset -eu\n${script}\n`);
  await chmod(path, 0o755);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
