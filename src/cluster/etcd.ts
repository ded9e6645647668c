import type { Settings } from '../config/settings.ts';
import type { Emit } from '../report/events.ts';
import { createEtcd } from './client.ts';
import { endpointsOf } from './endpoint.ts';
import { Gateway } from './gateway.ts';
import { EtcdHealth } from './health.ts';
import { readTlsFiles } from './tls.ts';

/** A key as etcd holds it. Revisions are decimal numbers of 64 bits, as text. */
export interface KeyValue {
  key: string;
  value: string;
  /** Of the last change: what `replace` compares. */
  modRevision: string;
  /** Id of the lease it goes with; undefined for none. */
  lease: string | undefined;
}

export interface WriteOptions {
  /** The key goes when this lease ends. */
  lease?: string | undefined;
}

export interface LeaseOptions {
  /** Deadline of one request to one member, ms; the setting's where none is given. */
  timeout?: number | undefined;
}

/** A view of etcd at one moment. */
export interface Reading {
  found: KeyValue | undefined;
  /** etcd's term of leadership in which it was read. */
  term: string;
}

/**
 * etcd, as pgarc uses it. Every read sees all writes before it (linearizable). Each request has the deadline
 * `etcd-timeout` for one member, and goes on to the next member when one does not answer. All functions throw
 * PgarcError `etcd-unreachable` (its `details.reason` is a FailureKind), or the signal's reason.
 */
export interface Etcd {
  /** The members by name, for messages: `http://10.0.0.1:2379, http://10.0.0.2:2379`. */
  readonly location: string;
  get(key: string, signal: AbortSignal): Promise<KeyValue | undefined>;
  /** `get`, with etcd's term. */
  read(key: string, signal: AbortSignal, options?: LeaseOptions): Promise<Reading>;
  /** All keys that begin with `prefix`, in order of keys, as of one moment. */
  list(prefix: string, signal: AbortSignal): Promise<KeyValue[]>;
  /** @throws PgarcError `failed` when the lease is gone, retryable */
  put(key: string, value: string, options: WriteOptions, signal: AbortSignal): Promise<void>;
  /**
   * Writes a key only when there is none. A repeat of its own lost answer counts as written.
   * @returns whether it was written
   */
  create(key: string, value: string, options: WriteOptions, signal: AbortSignal): Promise<boolean>;
  /** Writes a key only when it was not changed since `modRevision`. @returns whether it was written */
  replace(
    key: string,
    value: string,
    modRevision: string,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Removes a key; with `modRevision` only when it was not changed since. @returns whether it did */
  remove(key: string, signal: AbortSignal, modRevision?: string): Promise<boolean>;
  /** @returns the id of a new lease of so many ms, rounded up to whole seconds */
  grantLease(ttlMs: number, signal: AbortSignal): Promise<string>;
  /** Makes a lease last its time from now on. @returns etcd's term, or undefined when the lease is gone */
  keepAlive(lease: string, signal: AbortSignal, options?: LeaseOptions): Promise<string | undefined>;
  /** Ends a lease; its keys go with it. One that is gone already is not an error. */
  revoke(lease: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * The etcd of the settings; no request is sent yet.
 * @param emit hears once when etcd goes and once when it is back
 * @returns undefined when the settings name no etcd or no scope
 * @throws PgarcError `setting-invalid` for endpoints or files that cannot be used
 */
export function openEtcd(settings: Settings, emit?: Emit): Etcd | undefined {
  if (settings.etcdEndpoints.length === 0 || settings.scope === undefined) return undefined;
  const endpoints = endpointsOf(settings);
  const gateway = new Gateway({
    endpoints,
    user: settings.etcdUser,
    password: settings.etcdPassword,
    tls: readTlsFiles(settings),
    timeout: settings.etcdTimeout,
  });
  const location = endpoints.map(({ name }) => name).join(', ');
  return createEtcd(gateway, location, emit === undefined ? undefined : new EtcdHealth(emit));
}
