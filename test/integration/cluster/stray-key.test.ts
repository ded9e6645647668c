import { beforeAll, expect, it } from 'vitest';
import { joinElection } from '../../../src/cluster/leadership.ts';
import { acquireLock } from '../../../src/cluster/lock.ts';
import { startEtcd, type TestEtcd } from '../../support/etcd.ts';
import { openTestClient } from '../../support/etcd-client.ts';
import { waitFor } from '../../support/wait.ts';

let server: TestEtcd;
let client: Awaited<ReturnType<typeof openTestClient>>;
const { signal } = new AbortController();
const options = { ttl: 5000 };

beforeAll(async () => {
  server = await startEtcd();
  client = await openTestClient(server.env('stray'));
});

it('a lock that somebody wrote by hand is nobody’s, and taken after the time of a lease', async () => {
  const { etcd } = client;
  const { keys } = client;
  const deps = { etcd, keys, node: 'a' };
  await server.put(keys.lock('backup'), 'rubbish');
  const refused = acquireLock(deps, 'backup', options, signal);
  await expect(refused).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining('no lease'),
  });
  await waitFor(
    () =>
      acquireLock(deps, 'backup', options, signal).then(
        () => true,
        () => false,
      ),
    { what: 'the lock', interval: 500 },
  );
  expect(await server.get(keys.lock('backup'))).toContain('"node":"a"');
});

it('the lead likewise', async () => {
  const { etcd } = client;
  const { keys } = client;
  const election = joinElection({ etcd, keys, node: 'a' }, options);
  await server.put(keys.leader, 'rubbish');
  expect(await election.campaign(signal)).toBe(false);
  await waitFor(() => election.campaign(signal), { what: 'the lead', interval: 500 });
  await election.resign();
  expect(await etcd.get(keys.leader, signal)).toBeUndefined();
});
