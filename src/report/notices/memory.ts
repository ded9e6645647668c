import { readFile, rename, writeFile } from 'node:fs/promises';
import { JOB_NAMES } from '../../schedule/report.ts';
import type { KnownTrouble } from './judge.ts';
import type { Subject } from './notice.ts';

/** The trouble of each subject that has some. */
export type NoticeMemory = Map<Subject, KnownTrouble>;

const SUBJECTS: readonly string[] = [...JOB_NAMES, 'archive'] satisfies Subject[];

/** Reads what was told before. What is not there, or makes no sense, was not told. */
export async function readMemory(path: string): Promise<NoticeMemory> {
  const memory: NoticeMemory = new Map();
  try {
    const document: unknown = JSON.parse(await readFile(path, 'utf8'));
    for (const [subject, known] of Object.entries(document ?? {})) {
      if (SUBJECTS.includes(subject) && isKnownTrouble(known)) memory.set(subject as Subject, known);
    }
  } catch {
    // Then everything is news.
  }
  return memory;
}

/** Writes it, whole or not at all. @throws the system's error */
export async function writeMemory(path: string, memory: NoticeMemory): Promise<void> {
  const temporary = `${path}.new`;
  await writeFile(temporary, `${JSON.stringify(Object.fromEntries(memory))}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

function isKnownTrouble(value: unknown): value is KnownTrouble {
  const { fingerprint, since, toldAt, owesRecovery, isOver } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof fingerprint === 'string' &&
    Number.isFinite(since) &&
    (toldAt === null || Number.isFinite(toldAt)) &&
    typeof owesRecovery === 'boolean' &&
    typeof isOver === 'boolean'
  );
}
