import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../../support/pgarc.ts';
import { runProgram, startProgram } from '../../support/run.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

const ENTRYPOINT = join(ROOT, 'images/patroni/entrypoint');

/** What a node needs to be told, and where it may write. */
function makeEnvironment(folder: string): Record<string, string> {
  return {
    PATRONI_SCOPE: 'main',
    ETCD_HOST_PORT: 'etcd:2379',
    SUPERUSER_PASSWORD: 'one',
    REPLICATION_PASSWORD: 'two',
    PG_DATA_DIR: join(folder, 'data'),
    RUN_DIR: join(folder, 'run'),
    STATE_DIR: join(folder, 'state'),
    DOCKER_HOSTNAME: 'node1',
    PATRONI: '/bin/true',
    PGARC: join(ROOT, 'cli/pgarc'),
    PGARC_SPOOL: join(folder, 'spool'),
  };
}

/** Runs the entry point with a Patroni that ends at once. @returns what it said, and the settings it made */
async function runEntrypoint(env: Record<string, string>) {
  const folder = await makeTemporaryFolder('patroni');
  const own = makeEnvironment(folder);
  const run = join(folder, 'run');
  const result = await runProgram(ENTRYPOINT, [], { env: { ...own, ...env } });
  const file = join(run, 'patroni.yml');
  return {
    ...result,
    mode: () => statSync(file).mode & 0o777,
    read: () => parse(readFileSync(file, 'utf8')) as Record<string, never>,
  };
}

const ODD = [
  'plain',
  "it's",
  `'"\\ : # { [ & * ! | > % @ \``,
  ' leading and trailing ',
  '- dash',
  '$HOME $(id) `id`',
  'true',
  '0123',
  'ünïcödé 密码',
];

test.for(ODD)('a password of any characters reaches Patroni as it is: %s', async (password) => {
  const { read, mode, stderr } = await runEntrypoint({ SUPERUSER_PASSWORD: password });
  const { postgresql } = read() as unknown as {
    postgresql: { authentication: { superuser: { password: string } } };
  };
  expect(postgresql.authentication.superuser.password).toBe(password);
  expect(mode()).toBe(0o600);
  if (password !== 'true') expect(stderr).not.toContain(password);
});

test('a password from a file, without the line break at its end', async () => {
  const folder = await makeTemporaryFolder('secrets');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'password');
  writeFileSync(file, "from a file's line\n");
  const { read } = await runEntrypoint({ SUPERUSER_PASSWORD: '', SUPERUSER_PASSWORD_FILE: file });
  expect(read()).toMatchObject({
    postgresql: { authentication: { superuser: { password: "from a file's line" } } },
  });
});

test('what an operator says by the environment', async () => {
  const { read } = await runEntrypoint({
    NODE_ID: 'n.1',
    ETCD_HOST_PORT: 'http://a:2379, b:2379/',
    PATRONI_TAGS: 'datacentre=one,nosync=true,priority=2',
    SYNCHRONOUS_MODE: 'true',
    PATRONI_TTL: '20',
    WAL_S3_BUCKET: 'bucket',
    PGARC_DAEMON: 'no',
    PG_PARAMETERS: "work_mem=8MB\nlog_line_prefix=%t it's ",
  });
  expect(read()).toMatchObject({
    scope: 'main',
    name: 'n.1',
    etcd3: { protocol: 'http', hosts: ['a:2379', 'b:2379'] },
    tags: { datacentre: 'one', nosync: true, priority: 2 },
    bootstrap: { dcs: { ttl: 20, synchronous_mode: true } },
    postgresql: {
      connect_address: 'node1:5432',
      create_replica_methods: ['pgarc', 'basebackup'],
      parameters: { archive_mode: 'on', work_mem: '8MB', log_line_prefix: "%t it's " },
    },
  });
});

test('without an archive', async () => {
  const { read, stderr } = await runEntrypoint({});
  expect(stderr).toContain('WARNING: NO ARCHIVE');
  const settings = read() as unknown as {
    postgresql: { parameters: object; create_replica_methods: string[] };
  };
  expect(settings.postgresql.create_replica_methods).toEqual(['basebackup']);
  expect(settings.postgresql.parameters).toMatchObject({ archive_mode: 'off' });
  expect(settings.postgresql.parameters).not.toHaveProperty('archive_command');
});

test.for([
  [{ PATRONI_SCOPE: '' }, 'PATRONI_SCOPE is not set'],
  [{ ETCD_HOST_PORT: '' }, 'ETCD_HOST_PORT is not set'],
  [{ PATRONI_SCOPE: 'main/two' }, 'PATRONI_SCOPE is not a usable name: main/two'],
  [{ NODE_ID: 'node one' }, 'NODE_ID is not a usable name: node one'],
  [{ ETCD_HOST_PORT: ' , ' }, 'ETCD_HOST_PORT is not set'],
  [{ SUPERUSER_PASSWORD: '' }, 'SUPERUSER_PASSWORD is not set'],
  [{ SUPERUSER_PASSWORD: '' }, 'SUPERUSER_PASSWORD_FILE may name a file'],
  [{ RESTART_LIMIT: 'often' }, 'RESTART_LIMIT is not a number: often'],
  [{ PATRONI_TAGS: 'nosync=true,nofailover' }, "PATRONI_TAGS holds 'nofailover', which is not name=value"],
  [{ PG_PARAMETERS: 'work_mem=8MB\nport' }, "PG_PARAMETERS holds 'port'"],
  [
    { WAL_S3_BUCKET: 'bucket', WALE_BACKUP_THRESHOLD_MEGABYTES: 'many' },
    'threshold-megabytes from environment',
  ],
  [{ WAL_S3_BUCKET: 'bucket', AWS_SECRET_ACCESS_KEY_FILE: '/nowhere' }, 'cannot read /nowhere'],
  [{ REPLICATION_PASSWORD: 'two\nlines' }, 'REPLICATION_PASSWORD holds a control character'],
  [{ SUPERUSER_USERNAME: 'post gres' }, 'SUPERUSER_USERNAME is not a usable name of a role'],
  [{ PATRONI_TTL: 'long' }, 'TTL is not a number of seconds'],
  [{ SYNCHRONOUS_MODE: 'maybe' }, 'SYNCHRONOUS_MODE is true or false'],
  [
    { SUPERUSER_PASSWORD: '', SUPERUSER_PASSWORD_FILE: '/nowhere' },
    'SUPERUSER_PASSWORD_FILE=/nowhere cannot be read',
  ],
] as const)('is refused before anything starts: %o', async ([env, message]) => {
  const { code, stderr } = await runEntrypoint(env);
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});

test('a Patroni that ends by itself ends the container, not with success', async () => {
  const { code, stderr } = await runEntrypoint({});
  expect(code).toBe(1);
  expect(stderr).toContain('Patroni has ended with exit code 0');
});

test('a replica that is made again and again: the entry point is told, and no further method is tried', async () => {
  const folder = await makeTemporaryFolder('patroni');
  const entrypoint = startProgram('sh', ['-c', 'trap "exit 42" USR1; while :; do sleep 0.1; done']);
  writeFileSync(join(folder, 'entrypoint.pid'), `${entrypoint.child.pid}\n`);
  const env = {
    RUN_DIR: folder,
    STATE_DIR: folder,
    RESTART_LIMIT: '2',
    PGARC: '/bin/false',
    PGARC_PG_PASSFILE: '',
  };
  const program = join(ROOT, 'images/patroni/create-replica');
  for (let time = 0; time < 2; time++) expect((await runProgram(program, [], { env })).code).toBe(1);
  const last = startProgram(program, [], { env });
  expect((await entrypoint.result).code).toBe(42);
  expect(readFileSync(join(folder, 'halted'), 'utf8')).toContain('made more than 2 times within 600 s');
  expect(last.child.exitCode).toBe(null);
  last.child.kill('SIGKILL');
  await last.result;
});

test('SIGTERM to a node that was stopped ends its daemon in order', async () => {
  const folder = await makeTemporaryFolder('patroni');
  const [pgarc, said] = [join(folder, 'pgarc'), join(folder, 'said')];
  const daemon = `trap 'echo ended >>${said}; exit 0' TERM; echo ready >>${said}; while :; do sleep 0.1; done`;
  writeFileSync(pgarc, `#!/bin/sh\n[ "$1" != daemon ] || { ${daemon}; }\n`, { mode: 0o755 });
  const own = makeEnvironment(folder);
  const env = { ...own, PGARC: pgarc, WAL_S3_BUCKET: 'bucket', RESTART_LIMIT: '0' };
  const entrypoint = startProgram(ENTRYPOINT, [], { env });
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  let told = '';
  entrypoint.child.stderr?.on('data', (text) => {
    told += text;
  });
  await waitFor(() => read(said) === 'ready\n' && told.includes('STOPPED: the data directory was empty'), {
    what: 'a node that was stopped, with its daemon',
  });
  entrypoint.child.kill('SIGTERM');
  expect((await entrypoint.result).code).toBe(0);
  expect(read(said)).toBe('ready\nended\n');
});
