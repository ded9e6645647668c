import { spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { expect, test } from 'vitest';
import { parseCompose } from '../support/compose-parser.ts';
import { ROOT } from '../support/pgarc.ts';
import { runProgram } from '../support/run.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';

const COMPOSE = `${ROOT}/images/compose`;

const genCompose = (...args: string[]) =>
  runProgram(`${COMPOSE}/gen-compose`, args, { env: { PGARC_NODE: process.execPath } });

test("gen-compose's files for 6 nodes over 3 data centres are what Docker and HAProxy take", async () => {
  const folder = join(await makeTemporaryFolder('compose'), 'cluster');
  const args = ['-n', '6', '-d', '3', '-p', '15000', '-v', '17'];
  const made = await genCompose(...args, '-o', folder);
  expect(made.code, made.stderr).toBe(0);
  expect(made.stderr).toContain('PG_MAJOR=17');

  const secrets = await readFile(join(folder, '.env'), 'utf8');
  expect((await stat(join(folder, '.env'))).mode & 0o777).toBe(0o600);
  // Without its secrets nothing starts.
  expect(() => parseCompose([join(folder, 'compose.yaml')])).toThrow('see .env');
  const project = parseCompose([join(folder, 'compose.yaml')], parseEnv(secrets) as Record<string, string>);
  expect(Object.keys(project.services).sort()).toEqual([
    ...['etcd1', 'etcd2', 'etcd3', 'etcd4', 'etcd5', 'haproxy', 'minio'],
    ...['node1', 'node2', 'node3', 'node4', 'node5', 'node6'],
  ]);
  const { node5 } = project.services;
  expect(node5).toMatchObject({
    image: 'pgarc-patroni:17',
    environment: {
      PATRONI_SCOPE: 'pgarc',
      NODE_ID: 'node5',
      DOCKER_HOSTNAME: 'node5',
      PATRONI_TAGS: 'datacentre=dc2,nofailover=true,nosync=true,clonefrom=true',
      SYNCHRONOUS_MODE: 'true',
      ETCD_HOST_PORT: 'etcd1:2379,etcd2:2379,etcd3:2379,etcd4:2379,etcd5:2379',
      SUPERUSER_PASSWORD: parseEnv(secrets).SUPERUSER_PASSWORD,
    },
  });
  expect(Object.keys(node5!.networks).sort()).toEqual(['dc2', 'wan']);
  expect(Object.keys(project.networks).sort()).toEqual(['dc1', 'dc2', 'dc3', 'wan']);

  // The names of containers are unknown here, which HAProxy only warns of.
  const check = spawnSync('haproxy', ['-c', '-f', join(folder, 'haproxy.cfg')], { encoding: 'utf8' });
  expect(check.stdout + check.stderr).toContain('Configuration file is valid');

  // What is there is only replaced when that is said, and secrets never.
  const again = await genCompose(...args, '-o', folder);
  expect({ code: again.code, stderr: again.stderr }).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('--force'),
  });
  expect((await genCompose(...args, '-o', folder, '--force')).code).toBe(0);
  expect(await readFile(join(folder, '.env'), 'utf8')).toBe(secrets);

  const printed = await genCompose(...args);
  expect(printed.stdout).toBe(await readFile(join(folder, 'compose.yaml'), 'utf8'));
});

test('gen-compose names what is allowed', async () => {
  for (const [args, words] of [
    [['-n', '0'], '1 to 64'],
    [['-n', '2', '-d', '3'], 'as many as there are nodes'],
    [['-v', '9.6'], '13, 14, 15, 16, 17, 18'],
    [['--nods', '3'], 'gen-compose --help'],
    [['surplus'], 'gen-compose --help'],
  ] as const) {
    const { code, stderr, stdout } = await genCompose(...args);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  }
  const help = await genCompose('--help');
  expect(help.code).toBe(0);
  for (const option of ['--nodes', '--datacentres', '--base-port', '--pg-version']) {
    expect(help.stdout).toContain(option);
  }
});

test('the quick start is valid, each service with a health check and on this host only', () => {
  const { services, volumes } = parseCompose([`${COMPOSE}/compose.yaml`]);
  expect(Object.keys(services).sort()).toEqual(['etcd', 'minio', 'node1']);
  for (const [name, { healthcheck, ports = [] }] of Object.entries(services)) {
    expect(healthcheck?.test[0], name).toBe('CMD');
    for (const port of ports) expect(port.host_ip, name).toBe('127.0.0.1');
  }
  expect(Object.keys(volumes).sort()).toEqual(['data', 'etcd', 'node1']);
});

test('the three servers of the streaming image are valid', () => {
  const { services } = parseCompose([`${ROOT}/images/streaming/compose.yaml`]);
  expect(Object.keys(services).sort()).toEqual(['cascading', 'minio', 'primary', 'standby']);
  expect(services.cascading?.environment).toMatchObject({
    PGREPL_ROLE: 'STANDBY',
    PGREPL_MASTER_IP: 'standby',
    PGREPL_TOKEN: 'pgarc-secret',
    PGARC_STORE: 's3://pgarc/streaming',
  });
  for (const { ports = [] } of Object.values(services)) {
    for (const port of ports) expect(port.host_ip).toBe('127.0.0.1');
  }
});

test('the daemon may be laid over the compose file of a PostgreSQL', async () => {
  const base = join(await makeTemporaryFolder('compose'), 'compose.yaml');
  await writeFile(base, "services: { postgres: { image: 'postgres:15' } }\n");
  const { services } = parseCompose([base, `${COMPOSE}/daemon.yaml`], { PGARC_STORE: 's3://bucket/main' });
  expect(services.postgres?.volumes?.map(({ target }) => target)).toEqual(['/var/spool/pgarc']);
  expect(services.pgarc?.environment).toMatchObject({ PGARC_STORE: 's3://bucket/main' });
});
