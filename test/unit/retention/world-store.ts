import type { ObjectInfo } from '../../../src/store/store.ts';
import { MemoryStore } from '../backup/memory-store.ts';

/** A store in memory with a clock of its own, which can die while it deletes. */
export class WorldStore extends MemoryStore {
  now = new Date(0);
  /** So many objects more are deleted, then the process that asked is gone. */
  dieAfter = Number.POSITIVE_INFINITY;
  /** Removed, but no error: the last object before death. */
  died = false;

  override async put(key: string, body: Uint8Array): Promise<void> {
    this.objects.set(key, Buffer.from(body.buffer, body.byteOffset, body.length));
    this.modified.set(key, this.now);
  }

  override async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      if (this.dieAfter-- <= 0) {
        this.died = true;
        throw new Error('killed');
      }
      this.objects.delete(key);
      this.deleted.push(key);
    }
  }

  override async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    // Sorting all keys for each listing would be most of the time of a property test.
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    for (const key of keys) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  copy(): WorldStore {
    const copy = new WorldStore();
    for (const [key, bytes] of this.objects) copy.objects.set(key, bytes);
    for (const [key, time] of this.modified) copy.modified.set(key, time);
    copy.now = this.now;
    return copy;
  }

  /** Everything but what retention keeps for itself. */
  get keys(): string[] {
    return [...this.objects.keys()].filter((key) => !key.startsWith('pgarc/retention/')).sort();
  }
}
