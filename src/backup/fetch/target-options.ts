import { PgarcError } from '../../errors.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import { parseLocalTime } from '../../wal/local-time.ts';
import type { Target, TargetRequest } from '../../wal/targets.ts';
import { parseTimestamp, type UnixMicros } from '../../wal/timestamp.ts';

/** A target as it is written on the command line; at most one of them. */
export interface TargetOptions {
  target?: string;
  targetTime?: string;
  targetLsn?: string;
  targetXid?: string;
  targetName?: string;
}

/** Transaction ids before it are special (transam.h, FirstNormalTransactionId). */
const FIRST_XID = 3;
const EPOCH = 2n ** 32n;
/** PostgreSQL's MAXFNAMELEN, of which a restore point's name fills at most one less. */
const MAX_NAME_LENGTH = 63;

/** Reads the target. @throws PgarcError `usage` for two of them or one that is malformed */
export function parseTarget(options: TargetOptions): Target {
  const { target, targetTime, targetLsn, targetXid, targetName } = options;
  const given = Object.entries({ target, targetTime, targetLsn, targetXid, targetName });
  const names = given.filter(([, value]) => value !== undefined).map(([name]) => flagOf(name));
  if (names.length > 1) throw new PgarcError('usage', `${names.join(' and ')}: there can be one target only`);
  if (target !== undefined) return { kind: 'immediate' };
  if (targetTime !== undefined) return { kind: 'time', time: readTime(targetTime) };
  if (targetLsn !== undefined) {
    const lsn = parseLsn(targetLsn);
    if (lsn === undefined) throw malformed('--target-lsn', targetLsn, 'an LSN such as 0/3000028');
    return { kind: 'lsn', lsn };
  }
  if (targetXid !== undefined) {
    const full = /^[0-9]{1,20}$/.test(targetXid) ? BigInt(targetXid) : 0n;
    const xid = Number(full % EPOCH);
    if (full >= EPOCH ** 2n || xid < FIRST_XID)
      throw malformed('--target-xid', targetXid, 'a transaction id such as 1234');
    return { kind: 'xid', xid, ...(full >= EPOCH && { full }) };
  }
  if (targetName !== undefined) {
    if (targetName === '' || Buffer.byteLength(targetName) > MAX_NAME_LENGTH) {
      throw malformed('--target-name', targetName, `a name of 1 to ${MAX_NAME_LENGTH} bytes`);
    }
    return { kind: 'name', name: targetName };
  }
  return { kind: 'none' };
}

/** Reads recovery_target_timeline. @throws PgarcError `usage` */
export function parseTargetTimeline(text: string): TargetRequest['timeline'] {
  if (text === 'latest' || text === 'current') return text;
  const timeline = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  if (timeline < 1 || timeline >= 2 ** 32) {
    throw malformed('--target-timeline', text, 'latest, current or a decimal number such as 2');
  }
  return timeline;
}

/** A time without an offset is that of this machine's clock on the wall. */
function readTime(text: string): UnixMicros {
  const time = parseTimestamp(text) ?? parseLocalTime(text);
  if (typeof time === 'number') return time;
  if (time === undefined) throw malformed('--target-time', text, 'a time such as "2026-11-21 12:00:00+00"');
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const what = time === 'none' ? 'was left out' : 'came twice';
  throw new PgarcError(
    'usage',
    `--target-time ${JSON.stringify(text)} ${what} in ${timeZone} when clocks were changed`,
    {
      hint: 'Add the offset from UTC, as in "2026-11-21 12:00:00+00".',
    },
  );
}

function malformed(flag: string, text: string, allowed: string): PgarcError {
  return new PgarcError('usage', `${flag} ${JSON.stringify(text)} is not ${allowed}`);
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
