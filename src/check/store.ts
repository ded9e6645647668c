import { randomUUID } from 'node:crypto';
import { PgarcError } from '../errors.ts';
import { formatDuration } from '../report/units.ts';
import type { ObjectStore } from '../store/store.ts';
import type { Finding } from './finding.ts';

/** Probe objects, which nothing else reads. */
export const PROBE_PREFIX = 'pgarc/check/';

/**
 * Does everything with an object of its own that archiving needs of a store: write, write only if absent, read,
 * list, delete. What it wrote it removes, whatever happens.
 * @throws PgarcError as the store's methods
 */
export async function checkStore(store: ObjectStore, signal: AbortSignal): Promise<Finding> {
  const started = performance.now();
  const key = `${PROBE_PREFIX}${randomUUID()}`;
  const body = Buffer.from(`probe of pgarc check at ${new Date().toISOString()}\n`);
  let isConditional: boolean;
  try {
    await store.put(key, body, { signal });
    const read = await store.get(key, { signal });
    if (read === undefined || !read.equals(body)) throw failProbe(store, 'does not return what was written');
    isConditional = (await store.putIfAbsent(key, Buffer.from('another\n'), { signal })) === 'exists';
    const keys: string[] = [];
    for await (const object of store.list(PROBE_PREFIX, { signal })) keys.push(object.key);
    if (!keys.includes(key)) throw failProbe(store, 'does not list what was written');
  } finally {
    // Not with the signal: also a check that is interrupted cleans up.
    await store.delete([key]);
  }
  if ((await store.get(key, { signal })) !== undefined)
    throw failProbe(store, 'still returns what was deleted');
  const message = `${store.location}: wrote, read, listed and deleted an object in ${formatDuration(performance.now() - started)}`;
  if (isConditional) return { name: 'store', status: 'ok', message };
  return {
    name: 'store',
    status: 'warning',
    message: `${store.location} replaces an object that should only be created when absent`,
    hint: 'Two primaries could overwrite each other there: use a store that knows If-None-Match.',
  };
}

function failProbe(store: ObjectStore, what: string): PgarcError {
  return new PgarcError('store-unreachable', `${store.location} ${what}`, {
    hint: 'Let nothing between pgarc and the store cache its answers.',
  });
}
