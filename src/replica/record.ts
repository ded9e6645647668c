import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReplicaResult, Verdict } from './bootstrap-replica.ts';

/** What the daemon of this host is told of a decision, to count it. */
export interface DecisionRecord {
  at: Date;
  verdict: Verdict;
  reason: string;
}

/** Without a daemon nobody takes them away, so there is an end. */
const MOST = 1000;

/** Where decisions wait for the daemon: one file each, so that none is lost between writer and reader. */
export function decisionsFolder(spool: string): string {
  return join(spool, 'replica-decisions');
}

/** Leaves a decision for the daemon. @throws errors of the file system */
export async function leaveDecision(spool: string, result: ReplicaResult, now: Date): Promise<void> {
  const folder = decisionsFolder(spool);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length >= MOST) return;
  const name = `${now.getTime()}-${randomUUID()}`;
  const { verdict, reason } = result;
  await writeFile(join(folder, `${name}.tmp`), JSON.stringify({ at: now, verdict, reason }));
  await rename(join(folder, `${name}.tmp`), join(folder, `${name}.json`));
}

/** Takes all decisions that are there, oldest first. What cannot be read is dropped. */
export async function takeDecisions(spool: string): Promise<DecisionRecord[]> {
  const folder = decisionsFolder(spool);
  const names = await readdir(folder).catch(() => []);
  const found: DecisionRecord[] = [];
  for (const name of names.filter((one) => one.endsWith('.json')).sort()) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    await rm(join(folder, name), { force: true });
    const record = parse(text);
    if (record !== undefined) found.push(record);
  }
  return found;
}

function parse(text: string): DecisionRecord | undefined {
  try {
    const { at, verdict, reason } = JSON.parse(text) as Record<string, unknown>;
    const isVerdict = verdict === 'use' || verdict === 'no' || verdict === 'retry';
    if (!isVerdict || typeof reason !== 'string' || !/^[a-z-]{1,40}$/.test(reason)) return undefined;
    return { at: new Date(String(at)), verdict, reason };
  } catch {
    return undefined;
  }
}
