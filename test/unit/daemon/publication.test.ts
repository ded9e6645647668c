import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { beforeEach, expect, it } from 'vitest';
import { type Cluster, openDataDirectory } from '../../../src/daemon/cluster.ts';
import { Publication } from '../../../src/daemon/publication.ts';
import { Publisher } from '../../../src/daemon/publisher.ts';
import { type DaemonSpool, daemonSpool, makeSpool } from '../../../src/daemon/spool.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { type FakeCluster, makeFakeCluster } from '../../support/fake-cluster.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

let spool: DaemonSpool;
let fake: FakeCluster;
let cluster: Cluster;
let events: PgarcEvent[];
let publication: Publication;

beforeEach(async () => {
  spool = daemonSpool(await makeTemporaryFolder('spool'));
  await makeSpool(spool);
  fake = await makeFakeCluster();
  cluster = (await openDataDirectory(fake.data))!;
  events = [];
  const emit = (event: PgarcEvent) => events.push(event);
  const lock = await open(spool.lock, 'a');
  const shared = { fingerprint: 'x', settingsFile: { path: '/nowhere', held: undefined } };
  publication = new Publication(new Publisher(spool, lock, shared, emit), spool, emit);
});

/** In the way of the state file: it can neither be written nor removed. */
async function obstruct(): Promise<void> {
  await rm(spool.state, { force: true });
  await mkdir(spool.state);
}
const warnings = () => events.map((event) => (event.type === 'warning' ? event.message : event.type));

it('a spool that cannot be written to is told of once, and once more when it is well', async () => {
  await obstruct();
  for (let time = 0; time < 3; time++) await publication.keep(cluster);
  expect(warnings()).toEqual([
    expect.stringMatching(/^the spool .* cannot be written to, and .* take slower ways: E/),
  ]);
  await rm(spool.state, { recursive: true });
  for (let time = 0; time < 3; time++) await publication.keep(cluster);
  expect(warnings()[1]).toMatch(/can be written to again$/);
  expect(warnings()).toHaveLength(2);
  expect(existsSync(spool.state)).toBe(true);
  await publication.withdraw();
  expect(existsSync(spool.state)).toBe(false);
  await publication.close(cluster);
});

it('a state that cannot be withdrawn speaks of a descriptor that no other file gets', async () => {
  await publication.keep(cluster);
  await obstruct();
  await publication.withdraw();
  const { fd } = cluster.control;
  await publication.close(cluster);
  expect(cluster.control.fd).toBe(fd);
  await fake.renew();
  // The directory's own lock has ended with it.
  const next = (await openDataDirectory(fake.data))!;
  expect(next.control.fd).not.toBe(fd);
  await rm(spool.state, { recursive: true });
  await publication.keep(next);
  expect(cluster.control.fd).toBe(-1);
  await publication.withdraw();
  await publication.close(next);
  expect(next.control.fd).toBe(-1);
});

it('a cluster is not told of while there are markers of the one before', async () => {
  await publication.keep(cluster);
  await publication.withdraw();
  await rm(spool.out, { recursive: true });
  // Nothing can be removed from what is no folder.
  await writeFile(spool.out, '');
  await publication.clear();
  await publication.keep(cluster);
  expect(existsSync(spool.state)).toBe(false);
  expect(warnings()).toHaveLength(1);
  await rm(spool.out);
  await publication.keep(cluster);
  expect(existsSync(spool.state)).toBe(true);
  expect(await readdir(spool.out)).toEqual([]);
  await publication.close(cluster);
});
