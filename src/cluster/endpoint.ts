import type { Settings } from '../config/settings.ts';
import { PgarcError } from '../errors.ts';

/** One member of etcd. */
export interface Endpoint {
  /** As it is told: `http://10.0.0.1:2379`. */
  readonly name: string;
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 2379;

type EtcdSettings = Pick<
  Settings,
  'etcdEndpoints' | 'etcdUser' | 'etcdPassword' | 'etcdCaFile' | 'etcdCertFile'
>;

/**
 * The members of etcd that the settings name; no file is read.
 * @throws PgarcError `setting-invalid` for what is no address, and for a user without a password
 */
export function endpointsOf(settings: EtcdSettings): Endpoint[] {
  const { etcdEndpoints, etcdUser, etcdPassword, etcdCaFile, etcdCertFile } = settings;
  const endpoints = parseEndpoints(etcdEndpoints, etcdCaFile !== undefined || etcdCertFile !== undefined);
  if (endpoints.length === 0 || (etcdUser === undefined) === (etcdPassword === undefined)) return endpoints;
  const [given, missing] =
    etcdPassword === undefined ? ['etcd-user', 'etcd-password'] : ['etcd-password', 'etcd-user'];
  throw new PgarcError('setting-invalid', `setting ${given} is set, but not ${missing}`, {
    hint: 'Set both where etcd asks for users, else none of them.',
  });
}

/**
 * Reads the items of `etcd-endpoints`: `HOST`, `HOST:PORT`, `[::1]:2379` or an http or https URL.
 * @param withTls whether an item without a scheme means https
 * @throws PgarcError `setting-invalid`
 */
export function parseEndpoints(items: readonly string[], withTls: boolean): Endpoint[] {
  return items.map((item) => parseEndpoint(item, withTls));
}

function parseEndpoint(item: string, withTls: boolean): Endpoint {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(item) ? item : `${withTls ? 'https' : 'http'}://${item}`;
  const url = URL.parse(text);
  const isTls = url?.protocol === 'https:';
  const isPlain = url !== null && url.pathname === '/' && url.search === '' && url.hash === '';
  // Not told back: it may hold a password.
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new PgarcError('setting-invalid', 'etcd-endpoints: a URL holds a user or a password', {
      hint: 'Set etcd-user and etcd-password instead.',
    });
  }
  if (!isPlain || url.hostname === '' || !(isTls || url.protocol === 'http:')) {
    throw new PgarcError('setting-invalid', `etcd-endpoints: "${item}" is not an address`, {
      hint: 'Give HOST:PORT or http(s)://HOST:PORT, several with commas between.',
    });
  }
  const port = Number(url.port || /:(80|443)\/?$/.exec(text)?.[1] || DEFAULT_PORT);
  const name = `${isTls ? 'https' : 'http'}://${url.hostname}:${port}`;
  return { name, isTls, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}
