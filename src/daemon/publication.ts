import type { FileHandle } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { type Cluster, closeCluster } from './cluster.ts';
import { OnceTold } from './once-told.ts';
import type { Publisher } from './publisher.ts';
import { type DaemonSpool, emptyFolder } from './spool.ts';

/**
 * Tells launchers of the cluster that is served, as far as the spool lets it. One that is full or read-only costs the
 * quick ways, not the daemon; and what was made for one cluster is never there for the next one's launchers.
 */
export class Publication {
  readonly #publisher: Publisher;
  readonly #spool: DaemonSpool;
  readonly #trouble: OnceTold;
  /** Folders that may hold what was made for a cluster that has gone. */
  readonly #unclean = new Set<string>();
  /** Descriptors that a state speaks of which could not be withdrawn: while they are open, no other file has them. */
  readonly #held: FileHandle[] = [];
  #isTold = false;
  #isWithdrawn = true;

  constructor(publisher: Publisher, spool: DaemonSpool, emit: Emit) {
    this.#publisher = publisher;
    this.#spool = spool;
    this.#trouble = new OnceTold(emit);
  }

  /** Tells of a cluster unless that is done. Called again and again: what stood in the way may be over. */
  async keep(cluster: Cluster): Promise<void> {
    try {
      if (this.#isTold) return await this.#publisher.checkSettings();
      for (const folder of this.#unclean) {
        await emptyFolder(folder);
        this.#unclean.delete(folder);
      }
      await this.#publisher.publish(cluster);
      this.#isTold = true;
      for (const handle of this.#held.splice(0)) await handle.close();
      this.#trouble.end(`the spool ${this.#spool.folder} can be written to again`);
    } catch (error) {
      this.#trouble.begin(
        `the spool ${this.#spool.folder} cannot be written to, and wal-push and wal-fetch take slower ways: ${messageOf(error)}`,
        'Make room in it, or make it writable for this user.',
      );
    }
  }

  /** Tells of none any more. */
  async withdraw(): Promise<void> {
    this.#isTold = false;
    this.#isWithdrawn = await this.#publisher.withdraw().then(
      () => true,
      () => false,
    );
  }

  /** Removes what was made for a cluster that has gone. */
  async clear(): Promise<void> {
    for (const folder of [this.#spool.out, this.#spool.in]) {
      await emptyFolder(folder).catch(() => this.#unclean.add(folder));
    }
  }

  /** Closes a cluster that has gone, but for what the state says of it where that could not be withdrawn. */
  async close(cluster: Cluster): Promise<void> {
    if (this.#isWithdrawn) return closeCluster(cluster);
    this.#held.push(cluster.control);
    await cluster.directory.close();
  }
}
