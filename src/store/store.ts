/** Where objects live. Keys are relative to the store's prefix and use `/`, whatever the store is. */
export interface ObjectStore {
  /** The store as people write it, without credentials: `s3://bucket/prefix` or `file:///dir`. */
  readonly location: string;

  /**
   * The location and, where one location can be in several places, which of them: endpoint and region. Without
   * credentials. What a host remembers of a store is remembered under it.
   */
  readonly name: string;

  /**
   * Whether it lies in a file system of this host: then a question costs no request, and a disk that is not
   * mounted looks like an empty store.
   */
  readonly isLocal?: boolean;

  /**
   * False where `putIfAbsent` asks first whether there is an object, which two writers at once can get past: the
   * store has refused its condition, or whoever saw that it ignores it has said so here. Stores that always can have
   * no such property.
   */
  knowsCondition?: boolean;

  /**
   * Stores `body` under `key`, whole or not at all; an older object is replaced.
   * The buffers are free for reuse when the promise settles.
   */
  put(key: string, body: Uint8Array, options?: RequestOptions): Promise<void>;

  /**
   * Stores `body` only when nothing is stored under `key`, atomically where the store can
   * (`If-None-Match: *`, `link(2)`). A repeat of its own lost answer is not told apart from another
   * writer's object: callers compare contents on `'exists'`.
   */
  putIfAbsent(key: string, body: Uint8Array, options?: RequestOptions): Promise<PutOutcome>;

  /**
   * Stores a stream of unknown length, whole or not at all, in bounded memory. When `body` throws or
   * the signal aborts, what was uploaded is removed and the error is thrown on. Each chunk must stay
   * untouched until the iterator is asked for the next one; the store copies what it keeps longer.
   * @returns bytes stored
   */
  putStream(key: string, body: AsyncIterable<Uint8Array>, options?: PutStreamOptions): Promise<number>;

  /**
   * `putStream` that stores only when nothing is stored under `key`, decided by the request that completes
   * the upload (`If-None-Match: *` on CompleteMultipartUpload, `link(2)`); a store without the condition
   * gets check-then-complete. For WAL segments too large for one buffer.
   */
  putStreamIfAbsent(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options?: RequestOptions,
  ): Promise<PutOutcome>;

  /**
   * Makes an object survive a crash of the machine that another process may have stored and not come to the end
   * with. A store whose objects are durable as soon as they can be seen has no such function; `put…` need it not.
   */
  settle?(key: string): Promise<void>;

  /**
   * Reads a whole object of at most `maxBytes` (default 64 MiB; a larger one is `object-damaged`).
   * @returns undefined only when the store itself answered that there is no such object
   */
  get(key: string, options?: GetOptions): Promise<Buffer | undefined>;

  /**
   * Opens an object for reading in bounded memory. A broken connection is resumed where it stopped,
   * of the same version; an object that ends short of its size throws.
   * @returns undefined only when the store itself answered that there is no such object
   */
  getStream(key: string, options?: RequestOptions): Promise<ObjectStream | undefined>;

  /** Size and time of an object, or undefined when the store answered that there is none. */
  head(key: string, options?: RequestOptions): Promise<ObjectInfo | undefined>;

  /** All objects whose key starts with `prefix`, in key order (bytewise), page by page. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;

  /** Removes objects. One that is already gone is not an error. */
  delete(keys: readonly string[], options?: RequestOptions): Promise<void>;

  /**
   * Whether a deleted object stays as an older version, so that deleting frees nothing by itself. A store that
   * never does so, or cannot be asked, has no such function or answers undefined.
   */
  keepsVersions?(options?: RequestOptions): Promise<boolean | undefined>;

  /** Aborts unfinished uploads begun before `before` (multipart, temporary files). @returns how many */
  sweep(before: Date, options?: RequestOptions): Promise<number>;

  close(): void;
}

export type PutOutcome = 'stored' | 'exists';

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

export interface PutStreamOptions extends RequestOptions {
  /**
   * Bytes that the stream has at most, as far as that is known: a hint by which a store cuts it into parts of one
   * size. One that gets larger all the same is stored, too.
   */
  expected?: number | undefined;
}

export interface GetOptions extends RequestOptions {
  maxBytes?: number;
}

export interface ListOptions extends RequestOptions {
  /** Only keys after this one. */
  startAfter?: string;
  /**
   * Leaves out keys with a further `/` after the prefix (S3's delimiter): what lies in folders is not even
   * read. A hint: a store may list everything all the same.
   */
  shallow?: boolean;
  /** How many objects the reader wants at most. A hint, too: it spares the store the rest. */
  limit?: number;
}

export interface ObjectInfo {
  key: string;
  /** Bytes as stored. */
  size: number;
  modified: Date;
}

export interface ObjectStream {
  size: number;
  /** A chunk is valid until the next one is asked for. */
  body: AsyncIterable<Buffer>;
}
