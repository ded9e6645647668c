import { PgarcError } from '../../errors.ts';

/** What is known of a file before it arrives. */
export interface Expected {
  /** Bytes. */
  size?: number | undefined;
  crc32c?: number | undefined;
}

/** What holds of single members, whether anything is recorded or not. */
export interface MemberRules {
  mustCome?: ReadonlySet<string>;
  /** With the same contents. */
  mayComeTwice?: ReadonlySet<string>;
  mustComeTwice?: ReadonlySet<string>;
}

/**
 * Keeps account of the members of one backup: each expected one must arrive, once, as it was recorded.
 * Errors do not name the object a member came from; the reader of the object adds it.
 */
export class Ledger {
  readonly #expected: ReadonlyMap<string, Expected> | undefined;
  readonly #arrived = new Set<string>();
  readonly #rules: MemberRules;
  readonly #firsts = new Map<string, { size: number; crc32c: number }>();
  readonly #repeated = new Set<string>();

  /** @param expected undefined when nothing is recorded: then everything is welcome, once */
  constructor(expected: ReadonlyMap<string, Expected> | undefined, rules: MemberRules = {}) {
    this.#expected = expected;
    this.#rules = rules;
  }

  /** False for a member that is not recorded. */
  expects(path: string): boolean {
    return this.#expected?.has(path) ?? true;
  }

  /** @throws PgarcError `object-damaged` for a member that came before, or is not as recorded */
  arrive(path: string, size: number, crc32c: number): void {
    if (this.#arrived.has(path)) this.#repeat(path, size, crc32c);
    else if (this.#rules.mayComeTwice?.has(path)) this.#firsts.set(path, { size, crc32c });
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

  /** Members that should have arrived and have not. */
  missing(): string[] {
    const { mustCome = [], mustComeTwice = [] } = this.#rules;
    const wanted = new Set([...(this.#expected?.keys() ?? []), ...mustCome]);
    const seconds = [...mustComeTwice].filter((path) => !this.#repeated.has(path));
    return [
      ...[...wanted].filter((path) => !this.#arrived.has(path)),
      ...seconds.map((path) => (this.#arrived.has(path) ? `the second ${path}` : path)),
    ];
  }

  #repeat(path: string, size: number, crc32c: number): void {
    const first = this.#firsts.get(path);
    if (first === undefined || this.#repeated.has(path)) {
      throw new PgarcError('object-damaged', `${path} is in the backup twice`);
    }
    if (first.size !== size || first.crc32c >>> 0 !== crc32c >>> 0) {
      throw new PgarcError('object-damaged', `${path} is in the backup twice, with different contents`);
    }
    this.#repeated.add(path);
  }
}
