/**
 * pg_control of PostgreSQL 13 to 18 (include/catalog/pg_control.h, struct ControlFileData) as a 64-bit
 * little-endian server lays it out. Control versions: 1300 is 13 to 16, 1700 is 17, 1800 is 18.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, PgarcError } from '../errors.ts';
import type { Lsn } from './lsn.ts';

/** Path within the data directory. */
export const CONTROL_FILE = 'global/pg_control';

/** PG_CONTROL_FILE_SIZE, bytes; the rest of it is zeros. */
const CONTROL_FILE_SIZE = 8192;

/** enum DBState, in its order. */
const STATES = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
] as const;

export type ClusterState = (typeof STATES)[number];

export interface ControlFile {
  systemIdentifier: bigint;
  controlVersion: number;
  catalogVersion: number;
  /** Spelled as pg_controldata spells it. */
  state: ClusterState;
  /** Of the last change of the control file. */
  modified: Date;
  checkpointLsn: Lsn;
  /** Where recovery from the last checkpoint starts. */
  redoLsn: Lsn;
  timeline: number;
  previousTimeline: number;
  fullPageWrites: boolean;
  checkpointTime: Date;
  /** During and after archive recovery: how far it must go; 0 otherwise. */
  minRecoveryLsn: Lsn;
  minRecoveryTimeline: number;
  /** Non-zero while recovery from a base backup has not reached its end. */
  backupStartLsn: Lsn;
  backupEndLsn: Lsn;
  backupEndRequired: boolean;
  /** Bytes. */
  blockSize: number;
  /** Blocks in a file of a relation. */
  blocksPerFile: number;
  /** Bytes of a WAL segment. */
  segmentSize: number;
  dataChecksums: boolean;
}

/** Where the CRC lies, which covers everything before it, by control version. */
const CRC_OFFSET = new Map([
  [1300, 288],
  [1700, 288],
  [1800, 292],
]);

const ATTEMPTS = 10;
const ATTEMPT_PAUSE_MS = 10;

/**
 * Reads a control file's bytes.
 * @throws PgarcError `failed` for one that is short, of an unknown version, or whose CRC is wrong
 */
export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < CONTROL_FILE_SIZE)
    throw unreadable(`it has ${bytes.length} bytes instead of ${CONTROL_FILE_SIZE}`);
  const controlVersion = bytes.readUInt32LE(8);
  const crcOffset = CRC_OFFSET.get(controlVersion);
  if (crcOffset === undefined) {
    const isSwapped = CRC_OFFSET.has(bytes.readUInt32BE(8));
    const what = isSwapped ? 'a server of other byte order' : `unknown version ${controlVersion}`;
    throw unreadable(`it is of ${what}`, 'pgarc supports PostgreSQL 13 to 18.');
  }
  if (crc32c(bytes.subarray(0, crcOffset)) !== bytes.readUInt32LE(crcOffset))
    throw unreadable('its CRC is wrong');
  const state = STATES[bytes.readUInt32LE(16)];
  if (state === undefined) throw unreadable('its state is unknown');
  return {
    systemIdentifier: bytes.readBigUInt64LE(0),
    controlVersion,
    catalogVersion: bytes.readUInt32LE(12),
    state,
    modified: readTime(bytes, 24),
    checkpointLsn: bytes.readBigUInt64LE(32),
    redoLsn: bytes.readBigUInt64LE(40),
    timeline: bytes.readUInt32LE(48),
    previousTimeline: bytes.readUInt32LE(52),
    fullPageWrites: bytes[56] !== 0,
    checkpointTime: readTime(bytes, 104),
    minRecoveryLsn: bytes.readBigUInt64LE(136),
    minRecoveryTimeline: bytes.readUInt32LE(144),
    backupStartLsn: bytes.readBigUInt64LE(152),
    backupEndLsn: bytes.readBigUInt64LE(160),
    backupEndRequired: bytes[168] !== 0,
    blockSize: bytes.readUInt32LE(216),
    blocksPerFile: bytes.readUInt32LE(220),
    segmentSize: bytes.readUInt32LE(228),
    dataChecksums: bytes.readUInt32LE(252) !== 0,
  };
}

/** Reads the control file of a data directory. @throws PgarcError `failed` */
export async function readControlFile(dataDirectory: string): Promise<ControlFile> {
  return (await loadControlFile(dataDirectory)).control;
}

/**
 * Reads the control file of a data directory, and its bytes as they were when the CRC matched.
 * @throws PgarcError `failed` when it is missing or stays unreadable
 */
export async function loadControlFile(
  dataDirectory: string,
): Promise<{ control: ControlFile; bytes: Buffer }> {
  const path = join(dataDirectory, CONTROL_FILE);
  for (let attempt = 1; ; attempt++) {
    const bytes = await readBytes(path);
    try {
      return { control: parseControlFile(bytes), bytes };
    } catch (error) {
      // A server that writes it at this moment can show half of it (as in get_controlfile).
      if (attempt === ATTEMPTS) throw error;
      await sleep(ATTEMPT_PAUSE_MS);
    }
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const bytes = Buffer.alloc(CONTROL_FILE_SIZE);
    let filled = 0;
    // One read of the whole file, as the server writes it in one go; more only after a short read.
    for (let count = -1; count !== 0 && filled < bytes.length; filled += count) {
      count = (await file.read(bytes, filled, bytes.length - filled, filled)).bytesRead;
    }
    return bytes.subarray(0, filled);
  } catch (cause) {
    throw new PgarcError('failed', `cannot read ${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'Check that the data directory is the right one and that this user may read it.',
    });
  }
}

/** Bit by bit: for 300 bytes this is quicker than loading the native module, and wal-push comes here. */
function crc32c(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

function readTime(bytes: Buffer, at: number): Date {
  return new Date(Number(bytes.readBigInt64LE(at)) * 1000);
}

function unreadable(why: string, hint?: string): PgarcError {
  return new PgarcError('failed', `pg_control cannot be used: ${why}`, hint === undefined ? {} : { hint });
}
