import { beforeAll, describe, expect, it } from 'vitest';
import { startEtcd, type TestEtcd } from '../../support/etcd.ts';
import { openTestClient } from '../../support/etcd-client.ts';
import { runPgarc } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { copySample } from '../sample.ts';

const signal = new AbortController().signal;
const PASSWORD = 'swordfish-7Q2Z';

/** What `pgarc check` says of etcd. */
async function check(env: Record<string, string>, wanted = 'etcd') {
  const store = await makeTemporaryFolder('store');
  const all = {
    PGARC_STORE: `file://${store}`,
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    PGHOST: '/nonexistent',
    ...env,
  };
  const { stdout, stderr } = await runPgarc(['check', '--json'], { env: all });
  expect(stdout + stderr).not.toContain(PASSWORD);
  const { findings } = JSON.parse(stdout) as {
    findings: { name: string; status: string; message: string; hint?: string }[];
  };
  return findings.find(({ name }) => name === wanted)!;
}

describe('with users', () => {
  let server: TestEtcd;
  let user: Record<string, string>;

  beforeAll(async () => {
    server = await startEtcd();
    user = { ...server.env('guarded'), PGARC_ETCD_USER: 'pgarc', PGARC_ETCD_PASSWORD: PASSWORD };
    await server.ctl('user', 'add', 'root:root');
    await server.ctl('user', 'grant-role', 'root', 'root');
    await server.ctl('user', 'add', `pgarc:${PASSWORD}`);
    await server.ctl('role', 'add', 'backup');
    const grant = ['role', 'grant-permission', 'backup'];
    await server.ctl(...grant, '--prefix=true', 'readwrite', '/service/guarded/pgarc/');
    await server.ctl(...grant, 'readwrite', '/service/guarded/wale-backup-list');
    await server.ctl('user', 'grant-role', 'pgarc', 'backup');
  });

  it('the rights in docs/etcd.md are enough, before and after etcd asks for users', async () => {
    const { etcd, keys } = await openTestClient(user);
    const key = `${keys.own}test`;
    await etcd.put(key, 'before', {}, signal);
    await server.ctl('auth', 'enable');
    await etcd.put(key, 'after', {}, signal);
    expect(await check(user)).toMatchObject({ status: 'ok' });
    const store = await copySample();
    const all = { ...user, PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
    const deleted = await runPgarc(['delete', 'LATEST', '--confirm'], { env: all });
    expect(deleted).toMatchObject({ code: 0, stderr: '' });
    expect((await runPgarc(['backup-list', '--cached'], { env: all })).code).toBe(0);
    // The token goes with the memory of etcd, and with each change of users.
    await server.members[0]!.stop();
    await server.members[0]!.start();
    await expect.poll(() => etcd.get(key, signal), { timeout: 60_000 }).toMatchObject({ value: 'after' });
    await server.ctl('--user=root:root', 'user', 'add', 'another:one');
    await etcd.put(key, 'later', {}, signal);
    expect(await etcd.get(key, signal)).toMatchObject({ value: 'later' });
  });

  it('says what is wrong, and never the password', async () => {
    expect(await check({ ...user, PGARC_ETCD_PASSWORD: `${PASSWORD}!` })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('etcd does not accept user pgarc with this password'),
    });
    expect(await check(server.env('guarded'))).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('etcd asks for a user'),
    });
    expect(await check({ ...user, PGARC_SCOPE: 'another' })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('etcd does not let user pgarc do this'),
      hint: expect.stringContaining('grant-permission'),
    });
  });
});

describe('with TLS', () => {
  let server: TestEtcd;

  beforeAll(async () => {
    server = await startEtcd({ tls: true });
  });

  it('a client certificate opens it', async () => {
    expect(await check(server.env('secret'))).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(
        /^https:\/\/127\.0\.0\.1:\d+ takes locks under \/service\/secret\/pgarc\//,
      ),
    });
  });

  it('another authority, no certificate or plain HTTP do not', async () => {
    const { certificates, endpoints } = server;
    const env = server.env('secret');
    const { PGARC_ETCD_CERT_FILE, PGARC_ETCD_KEY_FILE, ...bare } = env;
    for (const wrong of [
      { ...env, PGARC_ETCD_CA_FILE: certificates!.otherCa },
      bare,
      { ...env, PGARC_ETCD_ENDPOINTS: endpoints.replace('https', 'http') },
    ]) {
      expect(await check(wrong)).toMatchObject({
        status: 'failed',
        message: expect.stringMatching(/^etcd (is not reachable|refused a request)/),
      });
    }
    expect(await check({ ...env, PGARC_ETCD_CA_FILE: '/nonexistent/ca.pem' })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('etcd-ca-file: cannot read /nonexistent/ca.pem'),
    });
  });
});

describe('without etcd', () => {
  it('check says so', async () => {
    expect(await check({})).toEqual({ name: 'etcd', status: 'skipped', message: 'not configured' });
    expect(await check({ PGARC_ETCD_ENDPOINTS: '127.0.0.1:1' })).toMatchObject({ status: 'warning' });
    expect(await check({ PGARC_ETCD_ENDPOINTS: '127.0.0.1:1', PGARC_SCOPE: 'x' })).toMatchObject({
      status: 'failed',
      message: 'etcd is not reachable: http://127.0.0.1:1: connection refused',
    });
    expect(await check({ PGARC_ETCD_ENDPOINTS: 'http://u:p@h' }, 'settings')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('etcd-endpoints'),
    });
  });
});
