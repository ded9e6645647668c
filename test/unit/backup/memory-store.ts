import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ListOptions, ObjectInfo, ObjectStore, PutOutcome } from '../../../src/store/store.ts';

/** A store in memory, for tests of what reads it. Hooks stand in for what happens between two requests. */
export class MemoryStore implements ObjectStore {
  readonly location = 'memory:';
  readonly name = 'memory:';
  readonly objects = new Map<string, Buffer>();
  readonly modified = new Map<string, Date>();
  readonly deleted: string[] = [];
  /** Called before an object is read; may change `objects` or throw. */
  beforeGet: (key: string) => void | Promise<void> = () => {};

  /** Every file below `folder`, keyed by its path. */
  static async from(folder: string): Promise<MemoryStore> {
    const store = new MemoryStore();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      store.objects.set(relative(folder, path), await readFile(path));
    }
    return store;
  }

  async put(key: string, body: Uint8Array) {
    this.objects.set(key, Buffer.from(body));
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<PutOutcome> {
    if (this.objects.has(key)) return 'exists';
    await this.put(key, body);
    return 'stored';
  }

  async putStream(key: string, body: AsyncIterable<Uint8Array>) {
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(Buffer.from(chunk));
    await this.put(key, Buffer.concat(chunks));
    return this.objects.get(key)?.length ?? 0;
  }

  async putStreamIfAbsent(key: string, body: AsyncIterable<Uint8Array>): Promise<PutOutcome> {
    if (this.objects.has(key)) return 'exists';
    await this.putStream(key, body);
    return 'stored';
  }

  async get(key: string) {
    await this.beforeGet(key);
    return this.objects.get(key);
  }

  async getStream(key: string) {
    const bytes = await this.get(key);
    if (bytes === undefined) return undefined;
    const body = async function* () {
      for (let at = 0; at < bytes.length; at += 65536) yield Buffer.from(bytes.subarray(at, at + 65536));
    };
    return { size: bytes.length, body: body() };
  }

  async head(key: string) {
    const bytes = this.objects.get(key);
    return bytes === undefined ? undefined : this.#info(key, bytes);
  }

  async *list(prefix: string, { startAfter = '' }: ListOptions = {}) {
    for (const key of [...this.objects.keys()].sort()) {
      const bytes = this.objects.get(key);
      if (bytes !== undefined && key.startsWith(prefix) && key > startAfter) yield this.#info(key, bytes);
    }
  }

  async delete(keys: readonly string[]) {
    for (const key of keys) {
      this.objects.delete(key);
      this.deleted.push(key);
    }
  }

  async sweep() {
    return 0;
  }

  close() {}

  #info(key: string, bytes: Buffer): ObjectInfo {
    return { key, size: bytes.length, modified: this.modified.get(key) ?? new Date(0) };
  }
}
