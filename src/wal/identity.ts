import { isPgarcError, PgarcError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Emit } from '../report/events.ts';
import type { ObjectStore } from '../store/store.ts';
import { notePath, readNote, writeNote } from './note.ts';

/**
 * The object that says which cluster an archive belongs to: `{"system_identifier":"…"}`, with
 * `"ignores_if_none_match":true` where its store overwrites what should only be created when absent.
 */
export const IDENTITY_KEY = 'pgarc/identity.json';

const WITHOUT_IDENTITY = `has no ${IDENTITY_KEY} any more`;

interface Identity {
  systemIdentifier: bigint;
  /** Of the store, as the push found that claimed the archive. */
  ignoresCondition?: true | undefined;
}

export interface IdentityDeps {
  store: ObjectStore;
  /** Local folder with this host's note on the archive. */
  spool: string;
  emit: Emit;
}

/**
 * Makes sure that the archive belongs to the cluster `systemIdentifier`; a new archive is made its own. Costs
 * no request once this host has noted the identity. A note that differs is not believed: the store decides. A
 * folder is asked each time, because the one below a disk that is not mounted is empty and would take everything.
 * The store is told of it when it is known to ignore the condition of `putIfAbsent`.
 * @throws PgarcError `identity-mismatch`, `store-unreachable` also when this host knows the archive and it is gone
 */
export async function ensureIdentity(
  deps: IdentityDeps,
  systemIdentifier: bigint,
  signal: AbortSignal,
): Promise<void> {
  const { store, spool } = deps;
  const note = await readNote(spool, store.name);
  const isNoted = note.systemIdentifier === systemIdentifier;
  if (note.ignoresCondition) store.knowsCondition = false;
  if (isNoted && !store.isLocal) return;
  const found = await readDocument(store, signal);
  if (found === undefined && store.isLocal && note.systemIdentifier !== undefined) {
    throw vanished(deps, WITHOUT_IDENTITY, true);
  }
  const identity = found ?? (await claim(deps, systemIdentifier, signal));
  const { systemIdentifier: owner } = identity;
  if (owner !== systemIdentifier) throw mismatch(store.location, owner, systemIdentifier);
  if (identity.ignoresCondition) store.knowsCondition = false;
  if (!isNoted) await writeNote(spool, store.name, { ...note, ...identity }, deps.emit);
}

/**
 * Makes sure that a folder which this host has used as an archive still is one. Asks no other store anything.
 * @throws PgarcError `store-unreachable`
 */
export async function assertMounted(
  deps: Pick<IdentityDeps, 'store' | 'spool'>,
  signal: AbortSignal,
  retryable = true,
): Promise<void> {
  const { store, spool } = deps;
  if (!store.isLocal) return;
  const { systemIdentifier } = await readNote(spool, store.name);
  if (systemIdentifier === undefined || (await store.head(IDENTITY_KEY, { signal })) !== undefined) return;
  throw vanished(deps, WITHOUT_IDENTITY, retryable);
}

/** The error of an archive that this host knows and that is not where it was. */
export function vanished(
  { store, spool }: Pick<IdentityDeps, 'store' | 'spool'>,
  what: string,
  retryable: boolean,
): PgarcError {
  return new PgarcError(
    'store-unreachable',
    `the archive ${store.location} ${what}, though this host has used it before`,
    {
      hint: `Check that its disk is mounted and that PGARC_STORE names the right prefix; when it was emptied on purpose, remove ${notePath(spool, store.name)}.`,
      retryable,
    },
  );
}

/** The archive's cluster, from the note or the store; undefined when no push of pgarc has claimed it yet. */
export async function knownIdentity(deps: IdentityDeps, signal: AbortSignal): Promise<bigint | undefined> {
  const note = await readNote(deps.spool, deps.store.name);
  if (note.systemIdentifier !== undefined) return note.systemIdentifier;
  const identity = await readDocument(deps.store, signal);
  if (identity !== undefined)
    await writeNote(deps.spool, deps.store.name, { ...note, ...identity }, deps.emit);
  return identity?.systemIdentifier;
}

/** Reads identity.json. @throws PgarcError `object-damaged` */
export async function readIdentity(store: ObjectStore, signal: AbortSignal): Promise<bigint | undefined> {
  return (await readDocument(store, signal))?.systemIdentifier;
}

async function readDocument(store: ObjectStore, signal: AbortSignal): Promise<Identity | undefined> {
  const bytes = await store.get(IDENTITY_KEY, { signal });
  if (bytes === undefined) return undefined;
  try {
    const document = parseJson(bytes.toString('utf8')) as Record<string, unknown>;
    const { system_identifier: id, ignores_if_none_match: ignores } = document;
    if (typeof id === 'bigint' || Number.isSafeInteger(id) || /^[0-9]{1,20}$/.test(String(id))) {
      return {
        systemIdentifier: BigInt(String(id)),
        ...(ignores === true ? { ignoresCondition: true } : {}),
      };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new PgarcError('object-damaged', `${IDENTITY_KEY} in ${store.location} names no system identifier`, {
    hint: "When the archive is this cluster's, remove it and the archive-*.json notes in the spools of its hosts: the next push writes it again.",
  });
}

/** Writes identity.json for an archive without one. @returns whose it is now */
async function claim(
  { store, emit }: IdentityDeps,
  systemIdentifier: bigint,
  signal: AbortSignal,
): Promise<Identity> {
  const { findOwner } = await import('./owner.ts');
  const owner = await findOwner(store, signal);
  if (owner !== undefined && owner !== systemIdentifier) return { systemIdentifier: owner };
  const document = { system_identifier: systemIdentifier.toString(), created: new Date().toISOString() };
  const create = (content: object) =>
    store.putIfAbsent(IDENTITY_KEY, Buffer.from(`${JSON.stringify(content)}\n`), { signal });
  if ((await create(document)) === 'exists') {
    // Another push was quicker, or our own first attempt was stored and its answer lost.
    return (await readDocument(store, signal)) ?? { systemIdentifier };
  }
  // Some stores take If-None-Match and ignore it: they replace what they have just stored, with a document that says so.
  if (store.isLocal || (await create({ ...document, ignores_if_none_match: true })) === 'exists') {
    return { systemIdentifier };
  }
  emit({
    type: 'warning',
    message: `${store.location} replaces an object that should only be created when absent: two writers of one object at the same moment are not told apart`,
    hint: 'WAL is stored there after a look whether it is there already, which is one request more; a store that knows If-None-Match is safer.',
  });
  return { systemIdentifier, ignoresCondition: true };
}

function mismatch(location: string, owner: bigint, systemIdentifier: bigint): PgarcError {
  return new PgarcError(
    'identity-mismatch',
    `the archive ${location} belongs to the cluster with system identifier ${owner}, and this one has ${systemIdentifier}`,
    {
      hint: 'A cluster that was initialised anew, upgraded with pg_upgrade or runs with copied settings needs a prefix of its own: set PGARC_STORE to a new one.',
      details: { archive: owner.toString(), cluster: systemIdentifier.toString() },
    },
  );
}

/** True for the error of an archive that is another cluster's. */
export function isIdentityMismatch(error: unknown): error is PgarcError {
  return isPgarcError(error, 'identity-mismatch');
}
