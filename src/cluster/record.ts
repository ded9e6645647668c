/** Reads a JSON object out of a value of etcd. @returns undefined for none and for rubbish */
export function readRecord(value: string | undefined): Record<string, unknown> | undefined {
  if (value === undefined) return undefined;
  try {
    const record: unknown = JSON.parse(value);
    if (typeof record === 'object' && record !== null && !Array.isArray(record)) {
      return record as Record<string, unknown>;
    }
  } catch {
    // Somebody else wrote it.
  }
  return undefined;
}
