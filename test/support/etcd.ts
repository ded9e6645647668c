import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { type EtcdCertificates, makeEtcdCertificates } from './etcd-certificates.ts';
import { freePort } from './ports.ts';
import { cleanEnvironment, mustRun } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { asUnprivileged } from './unprivileged.ts';
import { waitFor } from './wait.ts';

export interface EtcdOptions {
  /** 1 or 3; default 1. */
  members?: 1 | 3;
  /** Serve HTTPS and ask for client certificates. */
  tls?: boolean;
  /** Space of the database, bytes. */
  quota?: number;
  /** Address of this machine to listen at; default 127.0.0.1. */
  host?: string;
}

export interface TestEtcdMember {
  readonly name: string;
  /** `http://127.0.0.1:port`, or https. */
  readonly endpoint: string;
  readonly isRunning: boolean;
  /** SIGTERM, waited for. */
  stop(): Promise<void>;
  /** SIGKILL, waited for. */
  kill(): Promise<void>;
  /** Starts it again with its data; does not wait for a quorum. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
}

export interface TestEtcd {
  /** `host:port` of all members with commas between, as PGARC_ETCD_ENDPOINTS; URLs with tls. */
  readonly endpoints: string;
  readonly members: readonly TestEtcdMember[];
  readonly certificates: EtcdCertificates | undefined;
  /** Settings of pgarc for a scope. */
  env(scope: string): Record<string, string>;
  /** Runs etcdctl against all members. @returns its stdout */
  ctl(...args: string[]): Promise<string>;
  /** A key's value; undefined when there is none. */
  get(key: string): Promise<string | undefined>;
  put(key: string, value: string): Promise<void>;
  /** All keys that begin with `prefix`, with their values. */
  list(prefix: string): Promise<Map<string, string>>;
  /** The member that leads. */
  leader(): Promise<TestEtcdMember>;
  /** Waits until etcd takes writes. */
  ready(): Promise<void>;
  /** Kills all members. */
  stop(): Promise<void>;
  /** Starts those that do not run, and waits until etcd takes writes. */
  start(): Promise<void>;
  /** Kills all, removes their data, and starts a new cluster at the same addresses. */
  wipe(): Promise<void>;
}

/** Starts etcd on free ports with empty folders; stopped and removed when the test file ends. */
export async function startEtcd(options: EtcdOptions = {}): Promise<TestEtcd> {
  const folder = await makeTemporaryFolder('etcd');
  const certificates = options.tls ? await makeEtcdCertificates(join(folder, 'certs')) : undefined;
  const { host = '127.0.0.1' } = options;
  const scheme = certificates === undefined ? 'http' : 'https';
  const places: Place[] = [];
  for (let index = 1; index <= (options.members ?? 1); index++) {
    const endpoint = `${scheme}://${host}:${await freePort()}`;
    const peer = `http://${host}:${await freePort()}`;
    places.push({ name: `m${index}`, endpoint, peer, data: join(folder, `m${index}`) });
  }
  const cluster = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const extra = [
    ...(options.quota === undefined ? [] : ['--quota-backend-bytes', String(options.quota)]),
    ...(certificates === undefined ? [] : certificates.serverArguments),
  ];
  const members = places.map((place) => new Member(place, cluster, extra));

  const addresses = places.map(({ endpoint }) => endpoint.replace(/^http:\/\//, '')).join(',');
  const ctl = (...args: string[]): Promise<string> => {
    const tls = certificates === undefined ? [] : certificates.clientArguments;
    const urls = places.map(({ endpoint }) => endpoint).join(',');
    return mustRun('etcdctl', [`--endpoints=${urls}`, '--command-timeout=5s', ...tls, ...args], {
      env: { ETCDCTL_API: '3' },
    });
  };

  const etcd: TestEtcd = {
    endpoints: addresses,
    members,
    certificates,
    env: (scope) => ({
      PGARC_ETCD_ENDPOINTS: addresses,
      PGARC_SCOPE: scope,
      ...(certificates === undefined
        ? {}
        : {
            PGARC_ETCD_CA_FILE: certificates.ca,
            PGARC_ETCD_CERT_FILE: certificates.clientCertificate,
            PGARC_ETCD_KEY_FILE: certificates.clientKey,
          }),
    }),
    ctl,
    async get(key) {
      const { kvs = [] } = JSON.parse(await ctl('get', key, '-w', 'json')) as { kvs?: { value?: string }[] };
      return kvs[0] === undefined ? undefined : decode(kvs[0].value ?? '');
    },
    async put(key, value) {
      await ctl('put', '--', key, value);
    },
    async list(prefix) {
      const answer = JSON.parse(await ctl('get', prefix, '--prefix', '-w', 'json')) as {
        kvs?: { key: string; value?: string }[];
      };
      return new Map((answer.kvs ?? []).map(({ key, value = '' }) => [decode(key), decode(value)]));
    },
    leader: () =>
      waitFor(
        async () => {
          for (const member of members) {
            if (!member.isRunning) continue;
            const status = await askStatus(member.endpoint, certificates, ctl);
            if (status.leader !== undefined && status.leader === status.member) return member;
          }
          return undefined;
        },
        { what: 'a leader of etcd' },
      ),
    ready: () =>
      waitFor(() => ctl('put', 'test-is-ready', 'yes'), { what: 'etcd to take writes' }).then(
        () => undefined,
      ),
    async stop() {
      await Promise.all(members.map((member) => member.kill()));
    },
    async start() {
      await Promise.all(members.map((member) => member.start()));
      await etcd.ready();
    },
    async wipe() {
      await etcd.stop();
      await Promise.all(places.map(({ data }) => rm(data, { recursive: true, force: true })));
      await etcd.start();
    },
  };
  atEnd(() => etcd.stop());
  await etcd.start();
  return etcd;
}

interface Place {
  name: string;
  endpoint: string;
  peer: string;
  data: string;
}

class Member implements TestEtcdMember {
  readonly #place: Place;
  readonly #arguments: string[];
  #child: ChildProcess | undefined;

  constructor(place: Place, cluster: string, extra: readonly string[]) {
    this.#place = place;
    const { name, endpoint, peer, data } = place;
    this.#arguments = [
      ...['--name', name, '--data-dir', data, '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
      // Patient with a machine under load; a lease lasts at least 1.5 times the election's time.
      ...['--heartbeat-interval', '200', '--election-timeout', '2000'],
      ...extra,
    ];
  }

  get name(): string {
    return this.#place.name;
  }

  get endpoint(): string {
    return this.#place.endpoint;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    if (this.isRunning) return;
    const [file, argv] = asUnprivileged('etcd', this.#arguments);
    this.#child = spawn(file, argv, { cwd: '/', env: cleanEnvironment(), stdio: 'ignore' });
  }

  stop = () => this.#end('SIGTERM');
  kill = () => this.#end('SIGKILL');

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await exited;
  }
}

/** Who leads, and who answers. */
async function askStatus(
  endpoint: string,
  certificates: EtcdCertificates | undefined,
  ctl: (...args: string[]) => Promise<string>,
): Promise<{ leader: string | undefined; member: string | undefined }> {
  if (certificates === undefined) {
    const answer = await fetch(`${endpoint}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(2000),
    });
    const status = (await answer.json()) as { leader?: string; header: { member_id: string } };
    return { leader: status.leader, member: status.header.member_id };
  }
  const all = JSON.parse(await ctl('endpoint', 'status', '-w', 'json')) as {
    Endpoint: string;
    Status: { leader?: number; header: { member_id: number } };
  }[];
  const own = all.find((one) => one.Endpoint === endpoint)?.Status;
  return { leader: own?.leader?.toString(), member: own?.header.member_id.toString() };
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
