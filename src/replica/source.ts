import { BACKUPS } from '../backup/format/keys.ts';
import { PgarcError } from '../errors.ts';
import { parseStoreLocation } from '../store/location.ts';
import type { ObjectStore } from '../store/store.ts';
import { IDENTITY_KEY } from '../wal/identity.ts';
import { WAL } from '../wal/keys.ts';

export interface SourceRequest {
  /** The store that this cluster itself archives to; undefined when it has none. */
  ownStore: string | undefined;
  ownScope: string | undefined;
  sourceStore: string | undefined;
  sourceScope: string | undefined;
}

export interface Source {
  /** The archive that is restored; undefined: the cluster's own. */
  store: string | undefined;
  /** Another cluster than the archive's comes of it. */
  isClone: boolean;
}

/**
 * Chooses the archive a cluster is made from: its own, when it is rebuilt, or another scope's, to which the clone
 * must never write. The archive of another scope lies where the own one would with that scope's name in its place.
 * @throws PgarcError `usage`; `refused` when the clone would archive into what it is made from
 */
export function chooseSource(request: SourceRequest): Source {
  const { ownStore, ownScope, sourceStore, sourceScope } = request;
  if (sourceStore === undefined && sourceScope === undefined) return { store: undefined, isClone: false };
  const isSameScope = sourceScope !== undefined && sourceScope === ownScope;
  if (isSameScope && (sourceStore === undefined || isSame(sourceStore, ownStore))) {
    return { store: undefined, isClone: false };
  }
  const store = sourceStore ?? storeOfScope(request);
  if (ownStore !== undefined && isInside(ownStore, store)) {
    throw new PgarcError(
      'refused',
      `the clone would archive to ${ownStore}, which is within the archive ${store} it is made from`,
      {
        hint: 'Give this cluster a prefix of its own (PGARC_STORE), or leave --source-store and --source-scope away to rebuild the same cluster.',
      },
    );
  }
  return { store, isClone: true };
}

/** @throws PgarcError `usage` */
function storeOfScope({ ownStore, ownScope, sourceScope }: SourceRequest): string {
  const parts = ownStore?.split('/') ?? [];
  const places = parts.flatMap((part, index) => (index > 2 && part === ownScope ? [index] : []));
  if (ownScope === undefined || sourceScope === undefined || places.length !== 1) {
    throw new PgarcError(
      'usage',
      `where the archive of scope ${sourceScope} lies does not follow from the store ${ownStore ?? '(none)'}`,
      { hint: 'Say it with --source-store s3://BUCKET/PREFIX.' },
    );
  }
  return parts.with(places[0]!, sourceScope).join('/');
}

function isSame(one: string, other: string | undefined): boolean {
  return other !== undefined && isInside(one, other) && isInside(other, one);
}

/** True when everything below `store` is below `other`, too. */
function isInside(store: string, other: string): boolean {
  const [inner, outer] = [pathOf(store), pathOf(other)];
  return inner === outer || inner.startsWith(`${outer}/`);
}

function pathOf(text: string): string {
  const location = parseStoreLocation(text);
  if (location.kind === 'folder') return `file:${location.path}`.replace(/\/+$/, '');
  return `s3:${location.bucket}/${location.prefix}`.replace(/\/+$/, '');
}

/**
 * A clone has the system identifier of what it was made from and opens a timeline of the same number as another
 * clone would: two of them in one archive could not be told apart.
 * @throws PgarcError `refused` when the clone's own archive holds anything
 */
export async function requireEmptyArchive(store: ObjectStore, signal: AbortSignal): Promise<void> {
  for (const prefix of [BACKUPS, WAL, IDENTITY_KEY]) {
    for await (const { key } of store.list(prefix, { signal })) {
      throw new PgarcError(
        'refused',
        `the clone's own archive ${store.location} is not empty: it holds ${key}`,
        {
          hint: 'Give the clone a new prefix (PGARC_STORE), or remove what is there when nobody needs it.',
        },
      );
    }
  }
}
