import { PgarcError } from '../../errors.ts';

/** What is known of a file before it arrives. */
export interface Expected {
  /** Bytes. */
  size?: number | undefined;
  crc32c?: number | undefined;
}

/**
 * Keeps account of the members of one backup: each expected one must arrive, once, as it was recorded.
 * Errors do not name the object a member came from; the reader of the object adds it.
 */
export class Ledger {
  readonly #expected: ReadonlyMap<string, Expected> | undefined;
  readonly #arrived = new Set<string>();

  /** @param expected undefined when nothing is recorded: then everything is welcome, once */
  constructor(expected: ReadonlyMap<string, Expected> | undefined) {
    this.#expected = expected;
  }

  /** False for a member that is not recorded. */
  expects(path: string): boolean {
    return this.#expected?.has(path) ?? true;
  }

  /** @throws PgarcError `object-damaged` for a member that came before, or is not as recorded */
  arrive(path: string, size: number, crc32c: number): void {
    if (this.#arrived.has(path)) throw new PgarcError('object-damaged', `${path} is in the backup twice`);
    this.#arrived.add(path);
    const expected = this.#expected?.get(path);
    if (expected?.size !== undefined && expected.size !== size) {
      throw new PgarcError('object-damaged', `${path} has ${size} bytes instead of ${expected.size}`);
    }
    if (expected?.crc32c !== undefined && expected.crc32c >>> 0 !== crc32c >>> 0) {
      throw new PgarcError('object-damaged', `${path} has another checksum than the backup manifest says`);
    }
  }

  /** For a member without contents to check, such as a directory, which may come more than once. */
  note(path: string): void {
    this.#arrived.add(path);
  }

  has(path: string): boolean {
    return this.#arrived.has(path);
  }

  /** Recorded members that have not arrived. */
  missing(): string[] {
    return [...(this.#expected?.keys() ?? [])].filter((path) => !this.#arrived.has(path));
  }
}
