import { readRecord } from './record.ts';

/** Who has a lock or leads, as its key says. */
export interface Holder {
  node: string;
  pid: number;
  /** RFC 3339. */
  since: string;
}

/** Reads the value of such a key. @returns undefined for rubbish */
export function readHolder(value: string | undefined): Holder | undefined {
  const record = readRecord(value);
  if (record === undefined) return undefined;
  const { node, pid, since } = record;
  if (typeof node !== 'string' || typeof pid !== 'number' || typeof since !== 'string') return undefined;
  return { node, pid, since };
}
