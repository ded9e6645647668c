import type { Settings } from '../../config/settings.ts';
import type { Emit } from '../../report/events.ts';
import { assertKey } from '../key.ts';
import { formatStoreLocation, type StoreLocation } from '../location.ts';
import type { ObjectStore } from '../store.ts';
import { makeBufferPool } from './buffer-pool.ts';
import { makeClient, secretsOf } from './client.ts';
import { deleteObjects } from './delete.ts';
import { getObject, getObjectStream } from './get.ts';
import { headObject, listObjects } from './list.ts';
import { PART_BYTES } from './part-size.ts';
import { putObject, putObjectIfAbsent } from './put.ts';
import { putObjectStream } from './put-stream.ts';
import { objectOptionsOf, type S3Session, stallLimit } from './session.ts';
import { sweepUploads } from './sweep.ts';
import { keepsVersions } from './versioning.ts';

/** Largest object `get` reads unless told otherwise, bytes. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Buffers of all streams on their way up together, bytes. */
const POOL_BYTES = 64 * 1024 * 1024;

/**
 * A store in a bucket of S3, or of what speaks its protocol.
 * @throws PgarcError `setting-invalid`
 */
export async function openS3Store(
  settings: Settings,
  location: StoreLocation & { kind: 's3' },
  emit: Emit,
): Promise<ObjectStore> {
  const secrets = secretsOf(settings);
  const client = await makeClient(settings, emit, secrets);
  const pool = makeBufferPool(POOL_BYTES, PART_BYTES);
  const session: S3Session = {
    client,
    endpoint: describeEndpoint(settings),
    bucket: location.bucket,
    prefix: location.prefix === '' ? '' : `${location.prefix}/`,
    secrets,
    emit,
    storeTimeout: settings.storeTimeout,
    requestTimeout: settings.requestTimeout,
    stallTimeout: stallLimit(settings),
    objectOptions: objectOptionsOf(settings),
    knowsCondition: true,
  };

  return {
    location: formatStoreLocation(location),
    name: `${formatStoreLocation(location)} at ${session.endpoint}, region ${settings.s3Region}`,

    get knowsCondition() {
      return session.knowsCondition;
    },
    set knowsCondition(knows) {
      session.knowsCondition = knows;
    },

    async put(key, body, { signal } = {}) {
      assertKey(key);
      await putObject(session, key, body, { signal });
    },
    async putIfAbsent(key, body, { signal } = {}) {
      assertKey(key);
      return putObjectIfAbsent(session, key, body, { signal });
    },
    async putStream(key, body, options = {}) {
      assertKey(key);
      return (await putObjectStream(session, pool, key, body, false, options)).bytes;
    },
    async putStreamIfAbsent(key, body, { signal } = {}) {
      assertKey(key);
      return (await putObjectStream(session, pool, key, body, true, { signal })).outcome;
    },
    async get(key, { signal, maxBytes = DEFAULT_MAX_BYTES } = {}) {
      assertKey(key);
      return getObject(session, key, maxBytes, signal);
    },
    async getStream(key, { signal } = {}) {
      assertKey(key);
      return getObjectStream(session, key, signal);
    },
    async head(key, { signal } = {}) {
      assertKey(key);
      return headObject(session, key, { signal });
    },
    list: (prefix, options = {}) => listObjects(session, prefix, options),
    async delete(keys, { signal } = {}) {
      for (const key of keys) assertKey(key);
      await deleteObjects(session, keys, signal);
    },
    keepsVersions: ({ signal } = {}) => keepsVersions(session, signal),
    sweep: (before, { signal } = {}) => sweepUploads(session, before, signal),
    close: () => client.destroy(),
  };
}

/** The endpoint for messages: without user and password, which some put into URLs. */
function describeEndpoint({ s3Endpoint, s3Region }: Settings): string {
  if (s3Endpoint === undefined) return `Amazon S3, region ${s3Region}`;
  return s3Endpoint.replace(/\/\/[^/@]*@/, '//').replace(/\/+$/, '');
}
