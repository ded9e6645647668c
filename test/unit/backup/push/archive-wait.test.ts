import { describe, expect, it } from 'vitest';
import { findMissing, waitForSegments } from '../../../../src/backup/push/archive-wait.ts';
import { MemoryStore } from '../memory-store.ts';

const signal = new AbortController().signal;
const segment = (number: number) => `0000000100000000${number.toString(16).toUpperCase().padStart(8, '0')}`;

async function storeWith(...names: string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const name of names) await store.put(`wal_005/${name}`, Buffer.alloc(1));
  return store;
}

describe('findMissing', () => {
  it('takes any compression, and none', async () => {
    const store = await storeWith(`${segment(1)}.lz4`, `${segment(2)}.lzo`, segment(3), `${segment(15)}.zst`);
    const wanted = [1, 2, 3, 15, 16].map(segment);
    expect(await findMissing(store, wanted, signal)).toEqual([segment(16)]);
  });

  it('takes neither a partial segment nor a backup label for the segment', async () => {
    const store = await storeWith(
      `${segment(1)}.partial`,
      `${segment(1)}.partial.lz4`,
      `${segment(2)}.00000028.backup.lz4`,
      `${segment(2)}.00000028.backup`,
    );
    expect(await findMissing(store, [segment(1), segment(2)], signal)).toEqual([segment(1), segment(2)]);
  });

  it('asks nothing for nothing', async () => {
    expect(await findMissing(new MemoryStore(), [], signal)).toEqual([]);
  });
});

describe('waitForSegments', () => {
  it('goes on as soon as all are there', async () => {
    const store = await storeWith(`${segment(1)}.lz4`);
    setTimeout(() => void store.put(`wal_005/${segment(2)}.lz4`, Buffer.alloc(1)), 20);
    expect(await waitForSegments(store, [segment(1), segment(2)], 60_000, signal)).toEqual([]);
  });

  it('names what is missing when the time is over', async () => {
    const store = await storeWith(`${segment(1)}.lz4`);
    expect(await waitForSegments(store, [segment(1), segment(2)], 10, signal)).toEqual([segment(2)]);
  });

  it('waits on while they arrive, however long it takes in all', async () => {
    const store = await storeWith(`${segment(1)}.lz4`);
    // Whenever it has been looked, the next one arrives.
    const hasAdvanced = async (missing: readonly string[]) => {
      await store.put(`wal_005/${missing[0]}.lz4`, Buffer.alloc(1));
      return false;
    };
    const begun = performance.now();
    const wanted = [1, 2, 3, 4, 5].map(segment);
    expect(await waitForSegments(store, wanted, 30, signal, hasAdvanced)).toEqual([]);
    expect(performance.now() - begun).toBeGreaterThan(30);
  });

  it('waits on while what lies before them is archived, and no longer', async () => {
    let steps = 5;
    const hasAdvanced = async () => steps-- > 0;
    expect(await waitForSegments(new MemoryStore(), [segment(9)], 20, signal, hasAdvanced)).toEqual([
      segment(9),
    ]);
    expect(steps).toBeLessThan(0);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const waiting = waitForSegments(new MemoryStore(), [segment(1)], 60_000, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow();
  });
});
