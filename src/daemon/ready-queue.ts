import { classifyWalFile } from '../wal/file-name.ts';

const SUFFIX = '.ready';

/**
 * The WAL files PostgreSQL wants archived, oldest first. One look at archive_status fills it for as long as
 * it lasts, so that a backlog of n files does not cost n looks at a folder of n.
 */
export class ReadyQueue {
  #names: readonly string[] = [];
  #known = new Set<string>();
  #at = 0;

  /** Files that waited at the last look. */
  get size(): number {
    return this.#names.length;
  }

  /** Those not handed out since. */
  get left(): number {
    return this.#names.length - this.#at;
  }

  /** Whether a file waited at the last look. */
  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** Takes over what a look at archive_status has found. */
  fill(entries: readonly string[]): void {
    const names = entries.flatMap((entry) => nameOfReady(entry) ?? []);
    this.#known = new Set(names);
    this.#names = names.sort(compareReady);
    this.#at = 0;
  }

  /** The next one that `accepts` takes; what it leaves out comes again after the next look or a rewind. */
  next(accepts: (name: string) => boolean): string | undefined {
    while (this.#at < this.#names.length) {
      const name = this.#names[this.#at++]!;
      if (accepts(name)) return name;
    }
    return undefined;
  }

  /** Starts again with the oldest. */
  rewind(): void {
    this.#at = 0;
  }
}

/** `X.ready` → X, when that is a WAL file. */
export function nameOfReady(entry: string): string | undefined {
  if (!entry.endsWith(SUFFIX)) return undefined;
  const name = entry.slice(0, -SUFFIX.length);
  return classifyWalFile(name) === undefined ? undefined : name;
}

/** As PostgreSQL's archiver chooses (pgarch.c, ready_file_comparator): history files first, then by name. */
function compareReady(one: string, other: string): number {
  const [a, b] = [one.endsWith('.history'), other.endsWith('.history')];
  if (a !== b) return a ? -1 : 1;
  return one < other ? -1 : Number(one > other);
}
