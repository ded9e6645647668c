import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isPgarcError } from '../../../src/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../../src/store/store.ts';

const MIB = 1024 * 1024;

/**
 * What every store does, whatever it is made of.
 * @param open gives an empty store
 * @param pageSize objects it lists at a time
 */
export function describeStoreContract(
  name: string,
  open: () => Promise<ObjectStore>,
  pageSize: number,
): void {
  describe(name, () => {
    test('put stores, get reads back, put replaces', async () => {
      const store = await open();
      await store.put('a/b/one', Buffer.from('first'));
      expect(String(await store.get('a/b/one'))).toBe('first');
      await store.put('a/b/one', Buffer.from('the second, longer one'));
      expect(String(await store.get('a/b/one'))).toBe('the second, longer one');
    });

    test('an empty object is an object', async () => {
      const store = await open();
      await store.put('empty', Buffer.alloc(0));
      expect(await store.get('empty')).toHaveLength(0);
      const stream = await store.getStream('empty');
      expect(stream?.size).toBe(0);
      expect(await collect(stream!.body)).toHaveLength(0);
      expect(await store.putStream('empty-stream', chunks())).toBe(0);
      expect((await store.head('empty-stream'))?.size).toBe(0);
    });

    test('what is not there is undefined', async () => {
      const store = await open();
      await store.put('there/x', Buffer.from('x'));
      for (const key of ['missing', 'there', 'there/missing', 'there/x/below', 'gone/deeper/key']) {
        expect(await store.get(key), key).toBeUndefined();
        expect(await store.getStream(key), key).toBeUndefined();
        expect(await store.head(key), key).toBeUndefined();
      }
    });

    test('head tells size and time', async () => {
      const store = await open();
      const before = Date.now();
      await store.put('sized', Buffer.alloc(12_345));
      const info = await store.head('sized');
      expect(info).toMatchObject({ key: 'sized', size: 12_345 });
      // Stores may count in whole seconds.
      expect(info!.modified.getTime()).toBeGreaterThan(before - 2_000);
      expect(info!.modified.getTime()).toBeLessThan(Date.now() + 2_000);
    });

    test('get refuses what is larger than allowed', async () => {
      const store = await open();
      await store.put('large', Buffer.alloc(1000));
      expect(await store.get('large', { maxBytes: 1000 })).toHaveLength(1000);
      const error = await store.get('large', { maxBytes: 999 }).catch((thrown: unknown) => thrown);
      expect(isPgarcError(error, 'object-damaged')).toBe(true);
    });

    test('putIfAbsent never replaces', async () => {
      const store = await open();
      expect(await store.putIfAbsent('once', Buffer.from('first'))).toBe('stored');
      expect(await store.putIfAbsent('once', Buffer.from('second'))).toBe('exists');
      expect(String(await store.get('once'))).toBe('first');
    });

    test('of twenty racing putIfAbsent one stores', async () => {
      const store = await open();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.putIfAbsent('race', Buffer.from(`writer ${i}`))),
      );
      expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
      expect(String(await store.get('race'))).toBe(`writer ${outcomes.indexOf('stored')}`);
    });

    test('putStreamIfAbsent never replaces, small or large', async () => {
      const store = await open();
      for (const size of [100, 9 * MIB]) {
        const key = `stream-once-${size}`;
        const first = randomBytes(size);
        expect(await store.putStreamIfAbsent(key, chunks(first))).toBe('stored');
        expect(await store.putStreamIfAbsent(key, chunks(randomBytes(size)))).toBe('exists');
        expect((await store.get(key))?.equals(first)).toBe(true);
      }
    });

    test('of five racing large putStreamIfAbsent one stores', async () => {
      const store = await open();
      const bodies = Array.from({ length: 5 }, () => randomBytes(9 * MIB));
      const outcomes = await Promise.all(
        bodies.map((body) => store.putStreamIfAbsent('stream-race', chunks(body))),
      );
      expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
      const stored = await store.get('stream-race');
      expect(stored?.equals(bodies[outcomes.indexOf('stored')]!)).toBe(true);
    });

    test.each([1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB])('putStream of %i bytes', async (size) => {
      const store = await open();
      const body = randomBytes(size);
      const pieces = [];
      for (let offset = 0, length = 1; offset < size; offset += length, length = length * 2 + 7) {
        pieces.push(body.subarray(offset, Math.min(size, offset + length)));
      }
      expect(await store.putStream('streamed', chunks(...pieces))).toBe(size);
      const stream = await store.getStream('streamed');
      expect(stream?.size).toBe(size);
      expect((await collect(stream!.body)).equals(body)).toBe(true);
    });

    test('putStream is done with a chunk when it asks for the next', async () => {
      const store = await open();
      const chunk = Buffer.alloc(100_000);
      async function* reused() {
        for (let i = 0; i < 200; i++) {
          chunk.fill(i);
          yield chunk;
        }
      }
      expect(await store.putStream('reused', reused())).toBe(20_000_000);
      const body = await store.get('reused');
      for (let i = 0; i < 200; i++) {
        expect(body!.subarray(i * 100_000, (i + 1) * 100_000).every((byte) => byte === i)).toBe(true);
      }
    });

    test.each([1000, 20 * MIB])('a stream that fails after %i bytes leaves nothing', async (size) => {
      const store = await open();
      async function* failing() {
        yield randomBytes(size);
        throw new Error('the source broke');
      }
      await expect(store.putStream('broken', failing())).rejects.toThrow('the source broke');
      await expect(store.putStreamIfAbsent('broken', failing())).rejects.toThrow('the source broke');
      expect(await store.get('broken')).toBeUndefined();
      expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(0);
    });

    test('a failed stream leaves an older object as it was', async () => {
      const store = await open();
      await store.put('kept', Buffer.from('older'));
      async function* failing() {
        yield randomBytes(20 * MIB);
        throw new Error('the source broke');
      }
      await expect(store.putStream('kept', failing())).rejects.toThrow('the source broke');
      expect(String(await store.get('kept'))).toBe('older');
    });

    test.each([1000, 20 * MIB])(
      'an abort after %i bytes ends a silent stream and leaves nothing',
      async (size) => {
        const store = await open();
        const controller = new AbortController();
        const reason = new Error('interrupted');
        async function* silent() {
          yield randomBytes(size);
          setImmediate(() => controller.abort(reason));
          await new Promise(() => undefined);
        }
        const options = { signal: controller.signal };
        await expect(store.putStream('aborted', silent(), options)).rejects.toBe(reason);
        expect(await store.head('aborted')).toBeUndefined();
        expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(0);
      },
    );

    test('nothing is done for a signal that aborted before', async () => {
      const store = await open();
      const options = { signal: AbortSignal.abort(new Error('too late')) };
      await store.put('before', Buffer.from('x'));
      await expect(store.put('late', Buffer.from('x'), options)).rejects.toThrow('too late');
      await expect(store.putIfAbsent('late', Buffer.from('x'), options)).rejects.toThrow('too late');
      await expect(store.putStream('late', chunks(Buffer.from('x')), options)).rejects.toThrow('too late');
      await expect(store.get('before', options)).rejects.toThrow('too late');
      await expect(store.getStream('before', options)).rejects.toThrow('too late');
      await expect(store.head('before', options)).rejects.toThrow('too late');
      await expect(keysOf(store.list('', options))).rejects.toThrow('too late');
      await expect(store.delete(['before'], options)).rejects.toThrow('too late');
      expect(await keysOf(store.list(''))).toEqual(['before']);
    });

    test('an abort ends a reading', async () => {
      const store = await open();
      await store.put('read', randomBytes(8 * MIB));
      const controller = new AbortController();
      const stream = await store.getStream('read', { signal: controller.signal });
      const reading = (async () => {
        for await (const _ of stream!.body) controller.abort(new Error('interrupted'));
      })();
      await expect(reading).rejects.toThrow('interrupted');
    });

    test('a reader may leave early', async () => {
      const store = await open();
      await store.put('left', randomBytes(4 * MIB));
      for (let i = 0; i < 5; i++) {
        const stream = await store.getStream('left');
        for await (const chunk of stream!.body) {
          expect(chunk.length).toBeGreaterThan(0);
          break;
        }
      }
      expect(await store.get('left')).toHaveLength(4 * MIB);
    });

    test('list gives keys in bytewise order, under a prefix, after a key', async () => {
      const store = await open();
      const keys = [
        'a',
        'a-',
        'a.b',
        'a/1',
        'a/2/x',
        'a/2.x',
        'a/3',
        'a0',
        'ab/c',
        'b',
        'é',
        '\ufffd',
        '😀',
        'z/y/x/w',
      ];
      const sorted = keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      for (const key of keys.filter((key) => key !== 'a')) await store.put(key, Buffer.from(key));
      const listed = sorted.filter((key) => key !== 'a');
      expect(await keysOf(store.list(''))).toEqual(listed);
      for (const prefix of ['a', 'a/', 'a/2', 'a/2/', 'ab', 'nothing', 'nothing/at/all', 'z/y']) {
        expect(await keysOf(store.list(prefix)), prefix).toEqual(
          listed.filter((key) => key.startsWith(prefix)),
        );
      }
      for (const startAfter of ['a/2', 'a/2/x', 'a.b', 'a/', 'zz', '', 'a/2/zzz']) {
        const expected = listed.filter(
          (key) => Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0,
        );
        expect(await keysOf(store.list('', { startAfter })), startAfter).toEqual(expected);
      }
      expect(await keysOf(store.list('a/', { startAfter: 'a/2/x' }))).toEqual(['a/3']);
    });

    test('list tells sizes and goes over pages', async () => {
      const store = await open();
      const names = Array.from({ length: pageSize + 103 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
      for (let at = 0; at < names.length; at += 50) {
        await Promise.all(names.slice(at, at + 50).map((key, i) => store.put(key, Buffer.alloc(i))));
      }
      const listed: ObjectInfo[] = [];
      for await (const info of store.list('many/')) listed.push(info);
      expect(listed.map(({ key }) => key)).toEqual(names);
      expect(listed.every(({ size }, i) => size === i % 50)).toBe(true);
      await store.delete([...names, 'many/not-there']);
      expect(await keysOf(store.list(''))).toEqual([]);
    });

    test('delete removes, twice if asked, and only what was named', async () => {
      const store = await open();
      for (const key of ['d/1', 'd/2', 'd/22', 'e/1']) await store.put(key, Buffer.from(key));
      await store.delete(['d/2', 'd/2', 'd/missing', 'e/1']);
      await store.delete(['d/2']);
      await store.delete([]);
      expect(await keysOf(store.list(''))).toEqual(['d/1', 'd/22']);
      await store.put('e/1', Buffer.from('again'));
      expect(String(await store.get('e/1'))).toBe('again');
    });

    test('strange but valid keys are kept as they are', async () => {
      const store = await open();
      const keys = [
        ' lead',
        'sp ace/+plus',
        'q\'uo"te&<x>',
        '100%/a%2Fb',
        'semi;colon=?#',
        'ü/日本',
        '123',
        '~tilde!*()',
      ];
      for (const key of keys) await store.put(key, Buffer.from(key));
      for (const key of keys) expect(String(await store.get(key))).toBe(key);
      expect((await keysOf(store.list(''))).toSorted()).toEqual(keys.toSorted());
      for (const key of keys) expect((await store.head(key))?.key).toBe(key);
      await store.delete(keys);
      expect(await keysOf(store.list(''))).toEqual([]);
    });

    test.each([
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      './a',
      'a/.',
      'nul\0',
      'x'.repeat(1025),
      'a/.pgarc-1.tmp',
    ])('key %j is refused', async (key) => {
      const store = await open();
      await expect(store.put(key, Buffer.from('x'))).rejects.toThrow('cannot be the key');
      await expect(store.putIfAbsent(key, Buffer.from('x'))).rejects.toThrow('cannot be the key');
      await expect(store.putStream(key, chunks())).rejects.toThrow('cannot be the key');
      await expect(store.get(key)).rejects.toThrow('cannot be the key');
      await expect(store.getStream(key)).rejects.toThrow('cannot be the key');
      await expect(store.head(key)).rejects.toThrow('cannot be the key');
      await expect(store.delete([key])).rejects.toThrow('cannot be the key');
    });
  });
}

export async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export async function keysOf(list: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of list) keys.push(key);
  return keys;
}
