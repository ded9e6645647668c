import { describe, expect, it } from 'vitest';
import { claimBackup, sweepClaims } from '../../../../src/backup/push/claim.ts';
import { MemoryStore } from '../memory-store.ts';

const NAME = 'base_000000010000000000000002';
const OTHER = 'base_000000010000000000000004';
const owner = { dataDir: '/pg/data', systemIdentifier: 7710601500094473008n };
const signal = new AbortController().signal;
const part = (name: string) => `basebackups_005/${name}/tar_partitions/part_001.tar.lz4`;
const running = (name: string) => `pgarc/running/${name}.json`;

async function writeClaim(store: MemoryStore, name: string, change: Record<string, unknown>, age = 0) {
  const claim = {
    token: 't',
    hostname: 'elsewhere',
    pid: 1,
    dataDir: owner.dataDir,
    systemIdentifier: String(owner.systemIdentifier),
    ...change,
  };
  await store.put(running(name), Buffer.from(JSON.stringify(claim)));
  store.modified.set(running(name), new Date(Date.now() - age));
  await store.put(part(name), Buffer.alloc(10));
}

describe('claimBackup', () => {
  it('lets only one take a name', async () => {
    const store = new MemoryStore();
    const first = await claimBackup(store, NAME, owner, signal);
    expect(first).toBeDefined();
    expect(await claimBackup(store, NAME, owner, signal)).toBeUndefined();
    await first?.confirm(signal);
    await first?.finish(signal);
    expect([...store.objects.keys()]).toEqual([]);
  });

  it('does not take the name of a backup, nor of objects that are not its own', async () => {
    const store = new MemoryStore();
    await store.put(`basebackups_005/${NAME}_backup_stop_sentinel.json`, Buffer.from('{}'));
    await store.put(part(OTHER), Buffer.alloc(1));
    expect(await claimBackup(store, NAME, owner, signal)).toBeUndefined();
    expect(await claimBackup(store, OTHER, owner, signal)).toBeUndefined();
    expect(store.objects.size).toBe(2);
  });

  it('removes on failure what was stored, and nothing of a backup that exists', async () => {
    const store = new MemoryStore();
    const claim = await claimBackup(store, NAME, owner, signal);
    await store.put(part(NAME), Buffer.alloc(1));
    await store.put(part(OTHER), Buffer.alloc(1));
    await claim?.abandon(signal);
    expect([...store.objects.keys()]).toEqual([part(OTHER)]);

    const second = await claimBackup(store, NAME, owner, signal);
    await store.put(part(NAME), Buffer.alloc(1));
    await store.put(`basebackups_005/${NAME}_backup_stop_sentinel.json`, Buffer.from('{}'));
    await second?.abandon(signal);
    expect(store.objects.has(part(NAME))).toBe(true);
    expect(store.objects.has(running(NAME))).toBe(false);
  });

  it('notices that another has taken the name over', async () => {
    const store = new MemoryStore();
    const claim = await claimBackup(store, NAME, owner, signal);
    await store.put(running(NAME), Buffer.from('{}'));
    await expect(claim?.confirm(signal)).rejects.toMatchObject({ code: 'failed' });
    await claim?.finish(signal);
  });
});

describe('sweepClaims', () => {
  const ignore = () => undefined;

  it('removes what a dead process of this server left', async () => {
    const { hostname } = await import('node:os');
    const store = new MemoryStore();
    await writeClaim(store, NAME, { hostname: hostname(), pid: 2 ** 22 + 1 });
    expect(await sweepClaims(store, owner, ignore, signal)).toEqual([NAME]);
    expect(store.objects.size).toBe(0);
  });

  it('leaves a living process, another host and another cluster alone', async () => {
    const { hostname } = await import('node:os');
    const store = new MemoryStore();
    await writeClaim(store, NAME, { hostname: hostname(), pid: process.ppid });
    await writeClaim(store, OTHER, {}, 23 * 3_600_000);
    await writeClaim(store, 'base_000000010000000000000006', {
      hostname: hostname(),
      pid: 2 ** 22 + 1,
      dataDir: '/x',
    });
    expect(await sweepClaims(store, owner, ignore, signal)).toEqual([]);
    expect(store.objects.size).toBe(6);
  });

  it('removes any claim that nobody renewed for a day, but no backup', async () => {
    const store = new MemoryStore();
    await writeClaim(store, NAME, {}, 25 * 3_600_000);
    await writeClaim(store, OTHER, {}, 25 * 3_600_000);
    await store.put(`basebackups_005/${OTHER}_backup_stop_sentinel.json`, Buffer.from('{}'));
    expect(await sweepClaims(store, owner, ignore, signal)).toEqual([NAME]);
    expect([...store.objects.keys()].sort()).toEqual(
      [part(OTHER), `basebackups_005/${OTHER}_backup_stop_sentinel.json`].sort(),
    );
  });
});
