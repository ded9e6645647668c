import type { Backup } from '../backup/catalog.ts';
import { parseBackupName } from '../backup/format/backup-name.ts';

/** What delta backups are built on, of a whole catalog at once. */
export class Chains {
  readonly #byName: ReadonlyMap<string, Backup>;
  readonly #parents = new Map<Backup, readonly Backup[]>();
  readonly #children = new Map<Backup, Backup[]>();
  readonly #whole = new Map<Backup, boolean>();

  constructor(backups: readonly Backup[]) {
    this.#byName = new Map(backups.map((backup) => [backup.name, backup]));
    const bySegment = Map.groupBy(backups, ({ name }) => parseBackupName(name)?.segment ?? name);
    for (const backup of backups) {
      const parents = this.#findParents(backup, bySegment);
      this.#parents.set(backup, parents);
      for (const parent of parents) {
        const children = this.#children.get(parent) ?? [];
        if (children.length === 0) this.#children.set(parent, children);
        children.push(backup);
      }
    }
  }

  /**
   * What a restore of this backup needs beside it: its parent; where that is gone, the full backup below it;
   * where the sentinel names neither, whatever starts in the segment its name tells.
   */
  parents(backup: Backup): readonly Backup[] {
    return this.#parents.get(backup) ?? [];
  }

  /** Deltas built on this one directly. */
  children(backup: Backup): readonly Backup[] {
    return this.#children.get(backup) ?? [];
  }

  /** All that is built on this one, however deep. */
  descendants(backup: Backup): Set<Backup> {
    return collect(backup, (one) => this.children(one));
  }

  /** All that this one is built on. */
  ancestors(backup: Backup): Set<Backup> {
    return collect(backup, (one) => this.parents(one));
  }

  /** Whether the full backup and every delta between are there and fit each other, as a restore asks for it. */
  isWhole(backup: Backup): boolean {
    if (backup.kind !== 'delta') return backup.usable;
    const known = this.#whole.get(backup);
    if (known !== undefined) return known;
    const parent = this.#byName.get(backup.parent ?? '');
    const isWhole =
      backup.usable &&
      parent !== undefined &&
      // It also ends the recursion: no circle gets smaller all the way.
      parent.startLsn < backup.startLsn &&
      parent.systemIdentifier === backup.systemIdentifier &&
      this.isWhole(parent);
    this.#whole.set(backup, isWhole);
    return isWhole;
  }

  #findParents(backup: Backup, bySegment: ReadonlyMap<string, Backup[]>): Backup[] {
    const named = this.#byName.get(backup.parent ?? '') ?? this.#byName.get(backup.fullName ?? '');
    if (named !== undefined) return named === backup ? [] : [named];
    const origin = parseBackupName(backup.name);
    return origin?.kind === 'delta' ? (bySegment.get(origin.parentSegment) ?? []) : [];
  }
}

function collect(from: Backup, next: (backup: Backup) => readonly Backup[]): Set<Backup> {
  const found = new Set<Backup>();
  const open = [...next(from)];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (one === from || found.has(one)) continue;
    found.add(one);
    open.push(...next(one));
  }
  return found;
}
