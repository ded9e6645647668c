/** What PostgreSQL hands to archive_command and asks of restore_command (xlog_internal.h, Is…FileName). */
export type WalFile =
  | { kind: 'segment'; name: string; timeline: number; segmentName: string }
  /** Last segment of a timeline that ended inside it, complete or not. */
  | { kind: 'partial'; name: string; timeline: number; segmentName: string }
  | { kind: 'history'; name: string; timeline: number }
  /** Backup history file: which segment a base backup began in, and at which byte of it. */
  | { kind: 'backup'; name: string; timeline: number; segmentName: string; offset: number };

const PATTERN = /^([0-9A-F]{8})(?:(\.history)|([0-9A-F]{16})(?:(\.partial)|\.([0-9A-F]{8})\.backup)?)$/;

/**
 * Says what kind of WAL file a name stands for; names are upper case, as PostgreSQL writes them.
 * @returns undefined for anything else, such as timeline 0 or a path
 */
export function classifyWalFile(name: string): WalFile | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, tli = '', history, rest, partial, offset] = match;
  const timeline = Number.parseInt(tli, 16);
  if (timeline === 0) return undefined;
  if (history !== undefined) return { kind: 'history', name, timeline };
  const segmentName = tli + rest;
  if (partial !== undefined) return { kind: 'partial', name, timeline, segmentName };
  if (offset === undefined) return { kind: 'segment', name, timeline, segmentName };
  return { kind: 'backup', name, timeline, segmentName, offset: Number.parseInt(offset, 16) };
}
