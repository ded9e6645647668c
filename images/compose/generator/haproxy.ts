/** Where a node is reached by HAProxy. */
export interface Backend {
  name: string;
  host: string;
  postgres: number;
  /** Patroni's REST interface, which says what the node is. */
  patroni: number;
}

export interface HaproxyOptions {
  backends: readonly Backend[];
  /** HOST:PORT or *:PORT for each of the three. */
  listen: { leader: string; replicas: string; status: string };
  /** A name server, HOST:PORT, for hosts whose addresses come and go. */
  resolver?: string;
}

/** HAProxy's settings: connections go where Patroni says that the leader, or a replica, is. */
export function haproxyConfig({ backends, listen, resolver }: HaproxyOptions): string {
  const servers = backends.map(
    ({ name, host, postgres, patroni }) => `  server ${name} ${host}:${postgres} check port ${patroni}`,
  );
  return [
    '# Made by gen-compose.',
    'global',
    '  maxconn 1000',
    '',
    'defaults',
    '  mode tcp',
    '  log stdout format raw local0 notice',
    '  retries 2',
    '  timeout connect 4s',
    '  timeout check 5s',
    '  # Clients of a database are quiet for long.',
    '  timeout client 30m',
    '  timeout server 30m',
    ...(resolver === undefined ? [] : resolvers(resolver)),
    '',
    '# Who is up: http://…/',
    'listen status',
    `  bind ${listen.status}`,
    '  mode http',
    '  timeout client 10s',
    '  stats enable',
    '  stats uri /',
    '  stats refresh 5s',
    '',
    ...frontend('leader', listen.leader, '/primary', resolver),
    ...servers,
    '',
    ...frontend('replicas', listen.replicas, '/replica', resolver),
    '  balance leastconn',
    ...servers,
    '',
  ].join('\n');
}

function resolvers(server: string): string[] {
  return ['', 'resolvers names', `  nameserver first ${server}`, '  hold valid 5s'];
}

function frontend(name: string, bind: string, path: string, resolver: string | undefined): string[] {
  const names = resolver === undefined ? '' : ' resolvers names init-addr last,libc,none';
  return [
    `listen ${name}`,
    `  bind ${bind}`,
    '  option httpchk',
    `  http-check send meth OPTIONS uri ${path}`,
    '  http-check expect status 200',
    '  # Connections to a leader that is none any more end at once.',
    `  default-server inter 2s fall 3 rise 1 on-marked-down shutdown-sessions${names}`,
  ];
}
