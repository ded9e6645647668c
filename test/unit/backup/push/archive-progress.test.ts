import { describe, expect, it } from 'vitest';
import { followArchive, followArchiver } from '../../../../src/backup/push/archive-progress.ts';
import type { PostgresSession } from '../../../../src/postgres/connection.ts';
import { MemoryStore } from '../memory-store.ts';

const signal = new AbortController().signal;
const segment = (number: number, high = 0) =>
  `00000002${high.toString(16).padStart(8, '0')}${number.toString(16).padStart(8, '0')}`.toUpperCase();
const keyOf = (name: string) => `wal_005/${name}.lz4`;

describe('followArchiver', () => {
  function follow(store = new MemoryStore()) {
    let archived: string | null = null;
    let isGone = false;
    const session: PostgresSession = {
      address: 'here',
      lost: signal,
      async query() {
        if (isGone) throw new Error('gone');
        return [{ last_archived_wal: archived, failed_count: 0 }];
      },
      async close() {},
    };
    const hasAdvanced = followArchiver({ store, session });
    return {
      store,
      async sees(name: string | null, missing = [segment(9)]) {
        archived = name;
        return await hasAdvanced(missing, signal);
      },
      lose() {
        isGone = true;
      },
    };
  }

  it('counts a segment before the missing ones that is in the store', async () => {
    const { store, sees } = follow();
    await store.put(keyOf(segment(3)), Buffer.alloc(1));
    expect(await sees(segment(2))).toBe(false);
    expect(await sees(segment(3))).toBe(true);
    expect(await sees(segment(3))).toBe(false);
    expect(await sees('00000002.history')).toBe(true);
  });

  it('counts the first one that is ever archived', async () => {
    const { store, sees } = follow();
    await store.put(keyOf(segment(1)), Buffer.alloc(1));
    expect(await sees(null)).toBe(false);
    expect(await sees(segment(1))).toBe(true);
  });

  it('counts no segment that went elsewhere, and none behind a gap', async () => {
    const { store, sees } = follow();
    await sees(segment(1));
    expect(await sees(segment(2))).toBe(false);
    await store.put(keyOf(segment(10)), Buffer.alloc(1));
    expect(await sees(segment(10))).toBe(false);
  });

  it('takes a server that is gone for one without progress', async () => {
    const { sees, lose } = follow();
    await sees(segment(1));
    lose();
    expect(await sees(segment(2))).toBe(false);
  });
});

describe('followArchive', () => {
  it('counts what arrives before the missing ones, on their timeline', async () => {
    const store = new MemoryStore();
    const put = (name: string) => store.put(keyOf(name), Buffer.alloc(1));
    await put(segment(200, 1));
    await put('0000000100000009000000FF');
    const hasAdvanced = followArchive({ store });
    const look = () => hasAdvanced([segment(5, 9)], signal);
    expect(await look()).toBe(false);
    expect(await look()).toBe(false);
    await put(segment(201, 1));
    expect(await look()).toBe(true);
    expect(await look()).toBe(false);
    await put(segment(6, 9));
    await put(`${segment(1, 9)}.partial`);
    expect(await look()).toBe(false);
    await put(segment(4, 9));
    expect(await look()).toBe(true);
  });

  it('begins with an empty archive', async () => {
    const store = new MemoryStore();
    const hasAdvanced = followArchive({ store });
    expect(await hasAdvanced([segment(5, 0x30)], signal)).toBe(false);
    await store.put(keyOf(segment(0)), Buffer.alloc(1));
    expect(await hasAdvanced([segment(5, 0x30)], signal)).toBe(true);
  });
});
