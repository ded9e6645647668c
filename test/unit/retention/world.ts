import { formatBackupName, parseBackupName } from '../../../src/backup/format/backup-name.ts';
import { metadataKey, partitionKey, sentinelKey } from '../../../src/backup/format/keys.ts';
import { formatJson } from '../../../src/json.ts';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { isAncestor, type TimelineSpan, timelineSpans } from '../../../src/wal/history.ts';
import { walKey } from '../../../src/wal/keys.ts';
import { formatSegmentName, hex8, segmentAt, segmentBefore } from '../../../src/wal/segment.ts';
import { WorldStore } from './world-store.ts';

export const SIZE = 16 * 1024 * 1024;
const SEGMENT = BigInt(SIZE);
const HOUR = 3_600_000;

/** A moment the cluster lived through: all WAL up to there was written on that timeline. */
export interface Lived {
  time: number;
  timeline: number;
  lsn: bigint;
}

interface Made {
  name: string;
  timeline: number;
  startLsn: bigint;
  finishLsn: bigint;
  finishTime: number;
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Trouble {
  /** Segments get lost. */
  gaps?: boolean;
  /** Sentinels are damaged, parts lie around without one. */
  damage?: boolean;
  /** Clocks go fast or slow by up to days, and are set right again. */
  clocks?: boolean;
}

/** Lives through a cluster's random history and stores what an archive would hold of it. */
export class World {
  readonly store = new WorldStore();
  readonly lived: Lived[] = [];
  readonly backups: Made[] = [];
  /** Keys that retention has no business with. */
  readonly foreign: string[] = [];
  time = Date.UTC(2026, 0, 1);
  readonly #random: () => number;
  readonly #trouble: Trouble;
  readonly #histories = new Map<number, { timeline: number; switchLsn: bigint; reason: string }[]>([[1, []]]);
  #timeline = 1;
  #lsn = 2n * SEGMENT;
  #newest = 1;

  constructor(random: () => number, trouble: Trouble) {
    this.#random = random;
    this.#trouble = trouble;
    this.#write(2);
    this.#backup();
    const steps = 15 + this.#upTo(60);
    for (let i = 0; i < steps; i++) this.#step();
    if (trouble.gaps) this.#lose();
    this.time += HOUR * this.#upTo(72);
    this.store.now = new Date(this.time);
  }

  /** A whole number from 0 to `most`. */
  #upTo(most: number): number {
    return Math.floor(this.#random() * (most + 1));
  }

  #step(): void {
    this.time += HOUR * this.#upTo(30);
    const dice = this.#random();
    if (dice < 0.5) this.#write(1 + this.#upTo(5));
    else if (dice < 0.82) this.#backup();
    else if (dice < 0.9) this.#promote();
    else if (dice < 0.96) this.#goBack();
    else this.#clutter();
  }

  #put(key: string, body: Uint8Array): void {
    this.store.now = new Date(this.time);
    this.store.objects.set(key, Buffer.from(body.buffer, body.byteOffset, body.length));
    this.store.modified.set(key, this.store.now);
  }

  /** Fills segments and archives them. */
  #write(segments: number): void {
    for (let i = 0; i < segments; i++) {
      this.time += 60_000 * (1 + this.#upTo(60));
      const segment = segmentAt(this.#timeline, this.#lsn, SIZE);
      this.#put(walKey(formatSegmentName(segment, SIZE), ''), PAGE);
      this.#lsn = (segment.number + 1n) * SEGMENT;
      this.lived.push({ time: this.time, timeline: this.#timeline, lsn: this.#lsn });
    }
  }

  #backup(): void {
    // pg_backup_start switches to a new segment.
    if (this.#lsn % SEGMENT !== 0n) this.#write(1);
    const startLsn = this.#lsn + 40n;
    const segment = formatSegmentName(segmentAt(this.#timeline, startLsn, SIZE), SIZE);
    this.#write(1 + this.#upTo(2));
    const finishLsn = this.#lsn - (this.#random() < 0.3 ? 0n : SEGMENT / 2n);
    const parent = this.#random() < 0.35 ? this.#chooseParent(startLsn) : undefined;
    const parentSegment = parseBackupName(parent?.name ?? '')?.segment;
    const name =
      parentSegment === undefined
        ? formatBackupName({ kind: 'full', segment })
        : formatBackupName({ kind: 'delta', segment, parentSegment });
    this.time += 60_000;
    const wrong = this.#trouble.clocks && this.#random() < 0.3 ? HOUR * (this.#upTo(400) - 200) : 0;
    const finishTime = this.time + wrong;
    const sentinel = {
      LSN: startLsn,
      FinishLSN: finishLsn,
      SystemIdentifier: 7n,
      PgVersion: 150000,
      UncompressedSize: 10,
      CompressedSize: 5,
      StartTime: new Date(finishTime - 60_000).toISOString(),
      FinishTime: new Date(finishTime).toISOString(),
      ...(parent === undefined ? {} : { DeltaFrom: parent.name, DeltaFullName: parent.name, DeltaCount: 1 }),
    };
    const permanent = this.#random() < 0.07;
    for (let part = 0; part <= this.#upTo(3); part++)
      this.#put(partitionKey(name, `part_00${part}.tar.lz4`), PAGE);
    this.#put(metadataKey(name), Buffer.from(formatJson({ is_permanent: permanent })));
    this.#put(`wal_005/${segment}.00000028.backup.lz4`, Buffer.from('x'));
    const isDamaged = this.#trouble.damage && this.#random() < 0.1;
    this.#put(sentinelKey(name), isDamaged ? Buffer.from('{"LSN"') : Buffer.from(formatJson(sentinel)));
    this.backups.push({ name, timeline: this.#timeline, startLsn, finishLsn, finishTime: this.time });
  }

  #chooseParent(startLsn: bigint): Made | undefined {
    const spans = this.#spans(this.#timeline);
    const before = this.backups.filter(
      (one) => isAncestor(spans, one.timeline, one.finishLsn) && one.startLsn < startLsn,
    );
    return before.at(-1 - this.#upTo(Math.min(1, before.length - 1)));
  }

  #spans(timeline: number): TimelineSpan[] {
    return timelineSpans(timeline, this.#histories.get(timeline) ?? []);
  }

  /** A replica takes over in the middle of a segment. */
  #promote(): void {
    const partial = segmentAt(this.#timeline, this.#lsn, SIZE);
    this.#put(walKey(`${formatSegmentName(partial, SIZE)}.partial`, 'lz4'), PAGE);
    const cut = this.#random() < 0.2 ? 0n : SEGMENT / 2n;
    this.#branch(this.#timeline, this.#lsn + cut);
  }

  /** Somebody recovers to an earlier moment and goes on from there. */
  #goBack(): void {
    const { timeline, lsn } = this.lived[this.#upTo(this.lived.length - 1)]!;
    const spans = this.#spans(timeline);
    const could = this.backups.some(
      (one) => isAncestor(spans, one.timeline, one.finishLsn) && one.finishLsn < lsn,
    );
    // The archive knows no backup from which that could be done.
    if (!could) return;
    this.#branch(timeline, lsn - SEGMENT / 2n);
  }

  #branch(from: number, switchLsn: bigint): void {
    this.#newest++;
    const entries = [...this.#histories.get(from)!, { timeline: from, switchLsn, reason: 'x' }];
    this.#histories.set(this.#newest, entries);
    const text = entries.map(
      (entry) => `${entry.timeline}\t${formatLsn(entry.switchLsn)}\t${entry.reason}\n`,
    );
    this.#put(walKey(`${hex8(this.#newest)}.history`, ''), Buffer.from(text.join('')));
    this.#timeline = this.#newest;
    this.#lsn = switchLsn;
  }

  #clutter(): void {
    const keys = [
      `wal_005/notes-${this.time}.txt`,
      `basebackups_005/readme-${this.time}`,
      `else/${this.time}`,
    ];
    if (this.#trouble.damage) {
      const segment = formatSegmentName(segmentAt(this.#timeline, this.#lsn + 99n * SEGMENT, SIZE), SIZE);
      keys.push(partitionKey(`base_${segment}`, 'part_001.tar.lz4'));
    }
    for (const key of keys) this.#put(key, Buffer.from('x'));
    this.foreign.push(...keys);
  }

  #lose(): void {
    const segments = [...this.store.objects.keys()].filter((key) => /^wal_005\/[0-9A-F]{24}$/.test(key));
    for (let i = 0; i <= this.#upTo(3); i++)
      this.store.objects.delete(segments[this.#upTo(segments.length - 1)]!);
  }
}

/** Keys of a backup's own WAL on the timeline it began on. */
export function ownWal({ timeline, startLsn, finishLsn }: Made): string[] {
  const keys: string[] = [];
  const last = segmentBefore(timeline, finishLsn, SIZE).number;
  for (let number = startLsn / SEGMENT; number <= last; number++) {
    keys.push(walKey(formatSegmentName({ timeline, number }, SIZE), ''));
  }
  return keys;
}

/** The first page of a segment, as far as it is looked at. */
export const PAGE = Buffer.alloc(8192);
PAGE.writeUInt16LE(0xd110, 0);
PAGE.writeUInt16LE(2, 2);
PAGE.writeUInt32LE(1, 4);
PAGE.writeBigUInt64LE(7n, 24);
PAGE.writeUInt32LE(SIZE, 32);
PAGE.writeUInt32LE(8192, 36);
