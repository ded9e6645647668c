import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import type { Emit } from '../../report/events.ts';
import { quoteForShell } from '../../report/shell.ts';
import { releaseClaim } from './claim.ts';
import { emptyDirectory } from './mark.ts';
import type { Owner } from './owner.ts';
import { refuseTablespace, type Tablespace } from './tablespaces.ts';
import {
  addToMark,
  leaveDirectory,
  readMark,
  removeMark,
  type Taken,
  takeDirectory,
  writeMark,
} from './taken.ts';

/** A data directory, and its tablespaces, that this process alone restores into. */
export interface HeldDirectory {
  /** True when what an earlier attempt had left was removed. */
  readonly hadRemains: boolean;
  /**
   * Takes the tablespaces' directories too, before anything is written to them.
   * @throws PgarcError `refused` when one is not empty any more, `locked`
   */
  note(tablespaces: readonly Tablespace[]): Promise<void>;
  /** Takes the marks away; the directories stay this process's. */
  unmark(): Promise<void>;
  /** The restore is whole and durable: gives the directories away, without marks. */
  finish(): Promise<void>;
  /** Leaves everything as it was found: empty, or not there. Tells what it cannot remove, and never throws. */
  abandon(emit: Emit): Promise<void>;
}

/** What holdDirectory has taken. */
export class Held implements HeldDirectory {
  readonly hadRemains: boolean;
  readonly #root: Taken;
  readonly #id: string;
  readonly #owner: Owner | undefined;
  readonly #places: Taken[] = [];
  #isMarked = true;

  constructor(root: Taken, id: string, owner: Owner | undefined, hadRemains: boolean) {
    this.#root = root;
    this.#id = id;
    this.#owner = owner;
    this.hadRemains = hadRemains;
  }

  async note(tablespaces: readonly Tablespace[]): Promise<void> {
    if (tablespaces.length === 0) return;
    await addToMark(this.#root, { tablespaces: tablespaces.map(({ to }) => to) });
    for (const tablespace of tablespaces) {
      const taken = await takeDirectory(tablespace.to, this.#owner);
      try {
        if (taken.isOccupied) throw refuseTablespace(tablespace, `its place ${tablespace.to} is not empty`);
        await writeMark(taken, this.#id);
      } catch (error) {
        await leaveDirectory(taken).catch(() => undefined);
        throw error;
      }
      this.#places.push(taken);
    }
  }

  async unmark(): Promise<void> {
    this.#isMarked = false;
    for (const taken of [...this.#places, this.#root]) await removeMark(taken);
  }

  async finish(): Promise<void> {
    if (this.#isMarked) await this.unmark();
    for (const { handle } of [...this.#places, this.#root]) await handle.close();
  }

  async abandon(emit: Emit): Promise<void> {
    const failures: string[] = [];
    const left = new Set<string>();
    const attempt = async ({ claim: { path } }: Taken, what: (path: string) => Promise<unknown>) => {
      try {
        await what(path);
      } catch (error) {
        failures.push(`${path}: ${messageOf(error)}`);
        left.add(path);
      }
    };
    const all = [...this.#places.toReversed(), this.#root];
    // First of all, so that what is left is never taken for whole.
    if (await this.#isOwn(this.#root))
      await attempt(this.#root, (path) => rm(join(path, CONTROL_FILE), { force: true }));
    for (const taken of all) {
      if (!(await this.#isOwn(taken))) continue;
      await attempt(taken, async (path) => {
        await emptyDirectory(path);
        // Else it stays, and says what lies there.
        await removeMark(taken);
      });
    }
    for (const taken of all) {
      await attempt(taken, () => taken.handle.close());
      await attempt(taken, () => releaseClaim(taken.claim));
    }
    if (failures.length === 0) return;
    emit({
      type: 'warning',
      message: `what the failed restore made could not all be removed: ${failures.join('; ')}`,
      hint: `Start no server there; when the cause is gone: rm -r ${[...left].map(quoteForShell).join(' ')}`,
    });
  }

  /** Not when somebody removed all this attempt had made, its mark too, and may have put other things there. */
  async #isOwn({ claim }: Taken): Promise<boolean> {
    const mark = await readMark(claim.path);
    return mark === undefined ? !this.#isMarked : mark.id === this.#id;
  }
}
