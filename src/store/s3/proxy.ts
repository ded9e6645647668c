import { BlockList, isIP } from 'node:net';
import type { Environment } from '../../config/foreign.ts';

/** An HTTP proxy that the environment names. */
export interface HttpProxy {
  /** Of its variable, for messages. */
  readonly variable: string;
  /** `http://proxy:3128`, without user and password. */
  readonly name: string;
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
  /** For `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

/** The proxies of the environment; which of them a request goes through depends on where it goes. */
export interface Proxies {
  /** For `https:` and `http:`. */
  readonly byProtocol: Readonly<Record<string, HttpProxy | undefined>>;
  /** Entries of NO_PROXY in lower case. */
  readonly exceptions: readonly string[];
}

/**
 * Reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY as WAL-G's library does (golang.org/x/net/http/httpproxy), in capitals
 * or not.
 * @param warn told of a proxy that cannot be used
 * @returns undefined without a proxy, the usual case
 */
export function readProxies(
  environment: Environment,
  warn: (message: string) => void = () => undefined,
): Proxies | undefined {
  const find = (name: string) =>
    [name, name.toLowerCase()].find((each) => environment[each] !== undefined && environment[each] !== '');
  const read = (name: string) => {
    const variable = find(name);
    if (variable === undefined) return undefined;
    const proxy = parseProxy(variable, environment[variable]!);
    if (proxy === undefined)
      warn(`${variable} names no HTTP proxy and is not used: the store is asked directly`);
    return proxy;
  };
  const byProtocol = { 'https:': read('HTTPS_PROXY'), 'http:': read('HTTP_PROXY') };
  if (byProtocol['https:'] === undefined && byProtocol['http:'] === undefined) return undefined;
  const list = environment[find('NO_PROXY') ?? ''] ?? '';
  const exceptions = list.split(',').map((entry) => entry.trim().toLowerCase());
  return { byProtocol, exceptions: exceptions.filter((entry) => entry !== '') };
}

/** The proxy for requests to a host (an IPv6 address without brackets), or undefined where none is to be used. */
export function findProxy(
  proxies: Proxies | undefined,
  protocol: 'https:' | 'http:',
  host: string,
  port: number,
): HttpProxy | undefined {
  const proxy = proxies?.byProtocol[protocol];
  if (proxy === undefined) return undefined;
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || (isIP(name) !== 0 && isIn(name, 'loopback'))) return undefined;
  return proxies!.exceptions.some((entry) => isExcepted(entry, name, port)) ? undefined : proxy;
}

function parseProxy(variable: string, value: string): HttpProxy | undefined {
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, host, username, password } = new URL(text);
  if ((protocol !== 'http:' && protocol !== 'https:') || hostname === '') return undefined;
  const isTls = protocol === 'https:';
  const user = `${decode(username)}:${decode(password)}`;
  return {
    variable,
    name: `${protocol}//${host}`,
    isTls,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || (isTls ? 443 : 80)),
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `*`, a domain with all below it (`.x` and `*.x` too), an address, or a network; with `:port` only that one. */
function isExcepted(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const [, ofPort, portText] = /^(\[.*\]|[^:]*):([0-9]+)$/.exec(entry) ?? [];
  if (portText !== undefined && Number(portText) !== port) return false;
  const pattern = (ofPort ?? entry).replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return isIP(pattern) !== 0 || pattern.includes('/') ? isIn(host, pattern) : false;
  const domain = pattern.replace(/^\*?\./, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

/** @param network an address, `address/bits`, or `loopback` */
function isIn(address: string, network: string): boolean {
  const list = new BlockList();
  const family = (text: string) => (isIP(text) === 6 ? 'ipv6' : 'ipv4');
  try {
    if (network === 'loopback') {
      list.addSubnet('127.0.0.0', 8, 'ipv4');
      list.addAddress('::1', 'ipv6');
    } else {
      const [base = '', bits] = network.split('/');
      if (bits === undefined) list.addAddress(base, family(base));
      else list.addSubnet(base, Number(bits), family(base));
    }
  } catch {
    // No network at all.
    return false;
  }
  return list.check(address, family(address));
}
