import { setTimeout as sleep } from 'node:timers/promises';
import type { Lsn } from '../../postgres/lsn.ts';
import { type BadPage, findBadPages } from '../../postgres/page-checksum.ts';
import type { Emit } from '../../report/events.ts';
import { folderKind, parseRelationFile } from './layout.ts';
import type { WalkedEntry } from './walk.ts';

/** A page whose checksum is wrong and stays so. */
export interface DamagedPage {
  file: string;
  /** Counted from the start of this file. */
  block: number;
  expected: number;
  found: number;
}

/** Reads from the file that is being packed; fewer bytes at its end. */
export type PageReader = (target: Buffer, position: number) => Promise<number>;

/** Checks the pages of one file. Positions are bytes in the file, at a page's start. */
export interface PageCheck {
  readonly pageSize: number;
  hasBadPages(target: Buffer, position: number): boolean;
  /**
   * Reads bad pages again, into their place in `target`, until they are good, for a while; then tells
   * those from which replay of WAL will not save us.
   */
  settle(name: string, target: Buffer, position: number, reader: PageReader): Promise<void>;
}

export interface PageCheckerOptions {
  blockSize: number;
  /** Blocks of one file of a relation: the checksum knows the block's number in the relation. */
  fileBlocks: number;
  startLsn: Lsn;
  /** How far WAL goes by now. */
  currentLsn(): Promise<Lsn>;
  emit: Emit;
  signal: AbortSignal;
}

/** A write of the server is over in no time, unless the kernel holds it back, ms. */
const PAUSES = [0, 20, 100, 300];
/** With this many damaged pages the disk is broken, and waiting for each only takes time. */
const PATIENCE = 64;

/**
 * Verifies page checksums of relation files, as basebackup.c does. A page that is being written while it is
 * read looks torn: it is read again. One that was changed since the backup began is restored from WAL,
 * which holds a full image of it.
 */
export class PageChecker {
  readonly damaged: DamagedPage[] = [];
  readonly #options: PageCheckerOptions;

  constructor(options: PageCheckerOptions) {
    this.#options = options;
  }

  /** @returns undefined for a file without page checksums */
  forFile(file: WalkedEntry): PageCheck | undefined {
    const { blockSize, fileBlocks } = this.#options;
    const slash = file.name.lastIndexOf('/');
    const folder = folderKind(file.name.slice(0, slash));
    if (folder !== 'database' && folder !== 'global') return undefined;
    const relation = parseRelationFile(file.name.slice(slash + 1));
    if (relation === undefined) return undefined;
    const firstBlock = relation.part * fileBlocks;
    const find = (target: Buffer, position: number) => {
      // A relation that is being extended may end within a page.
      const whole = target.length - (target.length % blockSize);
      return findBadPages(target.subarray(0, whole), firstBlock + position / blockSize, blockSize);
    };
    return {
      pageSize: blockSize,
      hasBadPages: (target, position) => find(target, position).length > 0,
      settle: (name, target, position, reader) =>
        this.#settle(name, firstBlock, target, position, find, reader),
    };
  }

  async #settle(
    name: string,
    firstBlock: number,
    target: Buffer,
    position: number,
    find: (target: Buffer, position: number) => BadPage[],
    reader: PageReader,
  ): Promise<void> {
    const { blockSize, signal } = this.#options;
    const pageAt = (page: BadPage) => {
      const offset = (page.block - firstBlock) * blockSize - position;
      return target.subarray(offset, offset + blockSize);
    };
    let bad = find(target, position);
    const seen = new Map(bad.map((page) => [page.block, lsnOf(pageAt(page))]));
    for (const pause of this.damaged.length < PATIENCE ? PAUSES : PAUSES.slice(0, 1)) {
      if (pause > 0) await sleep(pause, undefined, { signal });
      const still: BadPage[] = [];
      for (const page of bad) {
        const bytes = pageAt(page);
        const at = (page.block - firstBlock) * blockSize;
        const count = await reader(bytes, at);
        // Truncated meanwhile: it is padded with zeros, which is a new page.
        if (count < blockSize) bytes.fill(0);
        still.push(...find(bytes, at));
      }
      bad = still;
      if (bad.length === 0) return;
    }
    await this.#report(name, firstBlock, bad, (page) => ({
      before: seen.get(page.block)!,
      now: lsnOf(pageAt(page)),
    }));
  }

  async #report(
    name: string,
    firstBlock: number,
    bad: readonly BadPage[],
    lsnsOf: (page: BadPage) => { before: Lsn; now: Lsn },
  ): Promise<void> {
    const { startLsn, currentLsn, emit } = this.#options;
    let newest: Lsn | undefined;
    for (const page of bad) {
      const { before, now } = lsnsOf(page);
      if (now !== before) continue;
      if (now >= startLsn) {
        newest ??= await currentLsn();
        if (now <= newest) continue;
      }
      const { expected, found } = page;
      const damage = { file: name, block: page.block - firstBlock, expected, found };
      this.damaged.push(damage);
      emit({ type: 'pageDamaged', ...damage });
    }
  }
}

/** PageHeaderData.pd_lsn: the high half first (bufpage.h). */
function lsnOf(page: Buffer): Lsn {
  return (BigInt(page.readUInt32LE(0)) << 32n) | BigInt(page.readUInt32LE(4));
}
