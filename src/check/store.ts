import { randomUUID } from 'node:crypto';
import { PgarcError } from '../errors.ts';
import { formatDuration } from '../report/units.ts';
import type { ObjectStore } from '../store/store.ts';
import type { Finding } from './finding.ts';

/** Probe objects, which nothing else reads. */
export const PROBE_PREFIX = 'pgarc/check/';

/** How long the probe of a check that failed is being removed, ms. */
const CLEAN_UP_TIMEOUT = 5_000;

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
  await store.put(key, body, { signal });
  try {
    const read = await store.get(key, { signal });
    if (read === undefined || !read.equals(body)) throw failProbe(store, 'does not return what was written');
    const outcome = await store.putIfAbsent(key, Buffer.from('another\n'), { signal });
    // A store that refuses the condition is asked whether there is an object, and answers that well.
    isConditional = outcome === 'exists' && store.knowsCondition !== false;
    const keys: string[] = [];
    for await (const object of store.list(PROBE_PREFIX, { signal })) keys.push(object.key);
    if (!keys.includes(key)) throw failProbe(store, 'does not list what was written');
    await store.delete([key], { signal });
  } catch (error) {
    // A check that is interrupted cleans up too. What went wrong first is what is told.
    await store.delete([key], { signal: AbortSignal.timeout(CLEAN_UP_TIMEOUT) }).catch(() => undefined);
    throw error;
  }
  if ((await store.get(key, { signal })) !== undefined)
    throw failProbe(store, 'still returns what was deleted');
  const message = `${store.location}: wrote, read, listed and deleted an object in ${formatDuration(performance.now() - started)}`;
  if (isConditional) return { name: 'store', status: 'ok', message };
  return {
    name: 'store',
    status: 'warning',
    message: `${store.location} cannot create an object only when it is absent`,
    hint: 'Two primaries could overwrite each other there: use a store that knows If-None-Match.',
  };
}

function failProbe(store: ObjectStore, what: string): PgarcError {
  return new PgarcError('store-unreachable', `${store.location} ${what}`, {
    hint: 'Let nothing between pgarc and the store cache its answers.',
  });
}
