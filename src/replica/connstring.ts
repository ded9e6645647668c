import { PgarcError } from '../errors.ts';

/** Parameters of a libpq connection string by keyword. */
export type Conninfo = Readonly<Record<string, string>>;

const HINT = "Write it as libpq does: 'host=… port=… user=… dbname=…' or postgresql://user@host:port/dbname.";

/**
 * Reads what Patroni passes as --connstring (PostgreSQL: "Connection Strings"): keywords and values, or a URI.
 * Values are not judged here. The text is never repeated in an error, as it may hold a password.
 * @throws PgarcError `usage`
 */
export function parseConnstring(text: string): Conninfo {
  return /^\s*postgres(?:ql)?:\/\//.test(text) ? parseUri(text.trim()) : parseKeywords(text);
}

/** One server of a connection string, which may name several. */
export interface Host {
  /** A name, an address or a socket directory; undefined: the usual socket. */
  host: string | undefined;
  port: number | undefined;
}

/** The servers in the order they are tried. `hostaddr` goes before `host`. @throws PgarcError `usage` */
export function listHosts(info: Conninfo): Host[] {
  const hosts = (info.hostaddr || info.host || '').split(',').map((host) => host.trim());
  const ports = (info.port ?? '').split(',').map((port) => port.trim());
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw malformed(`it has ${hosts.length} hosts and ${ports.length} ports`);
  }
  return hosts.map((host, index) => {
    const port = ports[ports.length === 1 ? 0 : index] ?? '';
    if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) {
      throw malformed(`"${port.slice(0, 20)}" is not a port`);
    }
    return { host: host === '' ? undefined : host, port: port === '' ? undefined : Number(port) };
  });
}

/** `key = value`, where a value with blanks stands in quotes and a backslash takes the next character as it is. */
function parseKeywords(text: string): Conninfo {
  const info: Record<string, string> = {};
  let at = 0;
  const skipBlanks = () => {
    while (at < text.length && /\s/.test(text[at]!)) at++;
  };
  for (skipBlanks(); at < text.length; skipBlanks()) {
    const start = at;
    while (at < text.length && !/[\s=]/.test(text[at]!)) at++;
    const keyword = text.slice(start, at);
    skipBlanks();
    if (keyword === '' || text[at] !== '=') throw malformed('a keyword has no "=" and value');
    at++;
    skipBlanks();
    const quoted = text[at] === "'";
    if (quoted) at++;
    let value = '';
    let closed = !quoted;
    for (; at < text.length; at++) {
      const letter = text[at]!;
      if (quoted ? letter === "'" : /\s/.test(letter)) {
        closed = true;
        if (quoted) at++;
        break;
      }
      value += letter === '\\' && at + 1 < text.length ? text[++at] : letter;
    }
    if (!closed) throw malformed(`the value of ${keyword} has no closing quote`);
    info[keyword] = value;
  }
  return info;
}

/** `postgresql://user:password@host:port,host2:port2/dbname?keyword=value`, percent-encoded. */
function parseUri(text: string): Conninfo {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#@]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw malformed('it is not a URI of PostgreSQL');
  const [, login, servers = '', database, query] = match;
  const info: Record<string, string> = {};
  const put = (keyword: string, value: string | undefined) => {
    if (value !== undefined && value !== '') info[keyword] = decode(value);
  };
  if (login !== undefined) {
    const colon = login.indexOf(':');
    put('user', colon < 0 ? login : login.slice(0, colon));
    if (colon >= 0) put('password', login.slice(colon + 1));
  }
  const parsed = servers.split(',').map((server) => {
    const found = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(server);
    if (found === null) throw malformed('a host of it cannot be read');
    return { host: (found[1] ?? '').replace(/^\[|\]$/g, ''), port: found[2] ?? '' };
  });
  put('host', parsed.map(({ host }) => host).join(','));
  if (parsed.some(({ port }) => port !== '')) put('port', parsed.map(({ port }) => port || '5432').join(','));
  put('dbname', database);
  for (const pair of (query ?? '').split('&').filter((one) => one !== '')) {
    const equals = pair.indexOf('=');
    if (equals < 0) throw malformed('a parameter of it has no value');
    put(decode(pair.slice(0, equals)), pair.slice(equals + 1));
  }
  return info;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed('it is not percent-encoded in the right way');
  }
}

function malformed(why: string): PgarcError {
  return new PgarcError('usage', `--connstring is not a connection string of libpq: ${why}`, { hint: HINT });
}
