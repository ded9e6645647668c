import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatLsn, type Lsn } from '../postgres/lsn.ts';
import { classifyWalFile } from './file-name.ts';
import { parseHistory, timelineSpans } from './history.ts';
import { historyName } from './read-history.ts';
import { parseSegmentName, segmentStart } from './segment.ts';

/**
 * What of a segment belongs to the history that a recovering server follows. A primary that was replaced may come
 * back and archive more of its timeline than its successor took over; PostgreSQL takes such a segment when its
 * successor's is not archived yet, replays what was never part of its history, and then finds that nothing fits
 * (xlogrecovery.c, XLogFileReadAnyTLI looks at where a timeline begins, not at where it was left).
 */
export interface Branch {
  /** Where the server's history leaves the segment's timeline. */
  switchLsn: Lsn;
  /** The timeline it leads to. */
  followed: number;
  /** Bytes of the segment before that place, 0 when there are none. */
  ownBytes: number;
}

/**
 * Looks whether the history that the server in `pgdata` follows leaves the segment's timeline inside the segment or
 * before it. PostgreSQL keeps the history file of the timeline it recovers to in pg_wal (timeline.c,
 * readTimeLineHistory), so this asks nobody.
 * @returns undefined when all of the segment belongs to it, or nothing else is known
 */
export async function findBranch(
  pgdata: string,
  name: string,
  segmentSize: number,
): Promise<Branch | undefined> {
  const segment = parseSegmentName(name, segmentSize);
  if (segment === undefined || !(await isRecovering(pgdata))) return undefined;
  const newer = await listTimelines(join(pgdata, 'pg_wal'));
  const newest = Math.max(0, ...newer.filter((timeline) => timeline > segment.timeline));
  if (newest === 0) return undefined;
  const target = await readTargetTimeline(pgdata);
  const followed = target === 'latest' ? newest : target;
  if (followed === 'current' || !newer.includes(followed) || followed <= segment.timeline) return undefined;
  const switchLsn = await readSwitch(pgdata, followed, segment.timeline);
  const start = segmentStart(segment, segmentSize);
  if (switchLsn === undefined || switchLsn >= start + BigInt(segmentSize)) return undefined;
  return { switchLsn, followed, ownBytes: switchLsn > start ? Number(switchLsn - start) : 0 };
}

/** `this server follows timeline 2, whose history leaves timeline 1 at 0/E000148`. */
export function describeBranch({ switchLsn, followed }: Branch, timeline: number): string {
  return `this server follows timeline ${followed}, whose history leaves timeline ${timeline} at ${formatLsn(switchLsn)}`;
}

/** Elsewhere history files in pg_wal are of the past, or wait to be archived. */
async function isRecovering(pgdata: string): Promise<boolean> {
  const signals = ['standby.signal', 'recovery.signal'].map((name) => access(join(pgdata, name)));
  return (await Promise.allSettled(signals)).some(({ status }) => status === 'fulfilled');
}

async function listTimelines(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => {
    const file = name.endsWith('.history') ? classifyWalFile(name) : undefined;
    return file?.kind === 'history' ? [file.timeline] : [];
  });
}

async function readSwitch(pgdata: string, followed: number, timeline: number): Promise<Lsn | undefined> {
  try {
    const entries = parseHistory(
      await readFile(join(pgdata, 'pg_wal', historyName(followed)), 'utf8'),
      followed,
    );
    return timelineSpans(followed, entries).find((span) => span.timeline === timeline)?.end;
  } catch {
    // Going, or being written: PostgreSQL itself will say what is wrong with it.
    return undefined;
  }
}

const TARGET = /^\s*recovery_target_timeline\s*(?:=\s*)?'?(\w+)'?/gim;

/** As the cluster's own files have it; on a command line or in an included file it is not seen. */
async function readTargetTimeline(pgdata: string): Promise<number | 'latest' | 'current'> {
  for (const file of ['postgresql.auto.conf', 'postgresql.conf']) {
    const text = await readFile(join(pgdata, file), 'utf8').catch(() => '');
    const value = [...text.matchAll(TARGET)].at(-1)?.[1]?.toLowerCase();
    if (value === undefined) continue;
    if (value === 'latest' || value === 'current') return value;
    const timeline = Number(value);
    if (Number.isSafeInteger(timeline) && timeline > 0) return timeline;
  }
  return 'latest';
}
