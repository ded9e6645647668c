import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { isAlive } from '../../src/system/process.ts';
import { atEnd } from './cleanup.ts';

const run = promisify(execFile);

/** Where one node of a cluster lives: its own network namespace, or a share of the loopback. */
export interface NetworkPlace {
  readonly name: string;
  /** As the other nodes and the test reach it. */
  readonly address: string;
  /** The command line that runs a program there. */
  inside(command: string, args: readonly string[]): [string, string[]];
  /** Takes the cable out: nothing comes in or goes out any more, and nobody is told. */
  cut(): Promise<void>;
  /** Puts it back in. */
  heal(): Promise<void>;
}

export interface TestNetwork {
  /** Whether each place has its own namespace: only then all may use the same ports, and one can be cut off. */
  readonly isIsolated: boolean;
  /** The address by which the places reach this machine. */
  readonly gateway: string;
  addPlace(name: string): Promise<NetworkPlace>;
  /** Lets the places reach a server that listens on a port of 127.0.0.1. @returns `host:port` */
  publish(port: number): Promise<string>;
}

/** Makes a network for the nodes of a cluster; it is gone when the test file ends. */
export async function makeNetwork(): Promise<TestNetwork> {
  return (await makeNamespaces()) ?? loopback();
}

function loopback(): TestNetwork {
  const cannot = async () => {
    throw new Error('the loopback cannot be cut');
  };
  return {
    isIsolated: false,
    gateway: '127.0.0.1',
    publish: async (port) => `127.0.0.1:${port}`,
    addPlace: async (name) => ({
      name,
      address: '127.0.0.1',
      inside: (command, args) => [command, [...args]],
      cut: cannot,
      heal: cannot,
    }),
  };
}

/** A bridge, and for each place a namespace that hangs on it. @returns undefined where that is not allowed */
async function makeNamespaces(): Promise<TestNetwork | undefined> {
  // To try what happens elsewhere: PGARC_TEST_NETWORK=loopback.
  if (process.getuid?.() !== 0 || process.env.PGARC_TEST_NETWORK === 'loopback') return undefined;
  await removeLeftovers();
  const bridge = `pgarc${process.pid}`;
  const subnet = freeSubnet();
  const gateway = `${subnet}.1`;
  try {
    await ip('link', 'add', bridge, 'type', 'bridge');
    atEnd(async () => {
      await ip('link', 'del', bridge);
    });
    await ip('addr', 'add', `${gateway}/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    // The first namespace says whether there may be any.
    await ip('netns', 'add', `${bridge}-try`);
    await ip('netns', 'del', `${bridge}-try`);
  } catch {
    return undefined;
  }
  let places = 0;
  return {
    isIsolated: true,
    gateway,
    publish: (port) => relay(gateway, port),
    async addPlace(name) {
      places += 1;
      const namespace = `${bridge}-${name}`;
      const cable = `pg${process.pid}v${places}`;
      const address = `${subnet}.${10 + places}`;
      await ip('netns', 'add', namespace);
      atEnd(async () => {
        await ip('netns', 'del', namespace);
      });
      await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      await ip('link', 'set', cable, 'master', bridge);
      await ip('link', 'set', cable, 'up');
      await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      await ip('-n', namespace, 'link', 'set', 'lo', 'up');
      return {
        name,
        address,
        inside: (command, args) => ['ip', ['netns', 'exec', namespace, command, ...args]],
        cut: () => ip('link', 'set', cable, 'down'),
        heal: () => ip('link', 'set', cable, 'up'),
      };
    },
  };
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}

/** Three bytes of a network that this machine has no address in. */
function freeSubnet(): string {
  const taken = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  for (let third = process.pid % 250; ; third = (third + 1) % 250) {
    const subnet = `10.213.${third}`;
    if (!taken.some((address) => address.startsWith(`${subnet}.`))) return subnet;
  }
}

/** Hands connections to `host:port` on to the same port of 127.0.0.1. */
async function relay(host: string, port: number): Promise<string> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const far = dial(port, '127.0.0.1');
    for (const [one, other] of [
      [socket, far],
      [far, socket],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  atEnd(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return `${host}:${port}`;
}

/** A run that was killed could not remove its namespaces: do it for those whose process is gone. */
async function removeLeftovers(): Promise<void> {
  let names: string[] = [];
  try {
    names = readdirSync('/var/run/netns');
  } catch {}
  const bridges = Object.keys(networkInterfaces());
  for (const name of [...names, ...bridges]) {
    const pid = /^pgarc(\d+)(-|$)/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const removal = name.includes('-') ? ip('netns', 'del', name) : ip('link', 'del', name);
    await removal.catch(() => undefined);
  }
}
