import { existsSync } from 'node:fs';
import { rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type MarkOutcome, Pusher } from '../../../src/daemon/pusher.ts';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const NAMES = ['000000010000000000000001', '000000010000000000000002', '000000010000000000000003'] as const;
const [A, B, C] = NAMES;

let wal: string;
let out: string;
let events: PgarcEvent[];
let marks: MarkOutcome[];
let attempts: string[];
let finish: Map<string, { resolve(): void; reject(error: unknown): void }>;
let pusher: Pusher;

beforeEach(async () => {
  [wal, out] = [await makeTemporaryFolder('wal'), await makeTemporaryFolder('out')];
  for (const name of NAMES) await writeFile(join(wal, name), name);
  events = [];
  marks = [];
  attempts = [];
  finish = new Map();
  pusher = new Pusher({
    cluster: { wal },
    out,
    concurrency: 1,
    emit: (event) => events.push(event),
    onMark: (outcome) => marks.push(outcome),
    push(path) {
      attempts.push(path);
      return new Promise((resolve, reject) => finish.set(path, { resolve, reject }));
    },
  });
});

async function begun(name: string): Promise<void> {
  while (!finish.has(join(wal, name))) await new Promise((resolve) => setImmediate(resolve));
}
const ended = (name: string) => finish.get(join(wal, name))!;
const hasMarker = (name: string) => existsSync(join(out, `${name}.ok`));

describe('a pusher', () => {
  it('joins those who want the same file, and marks it with the time of the file', async () => {
    const all = [pusher.push(A, true), pusher.push(A, false), pusher.push(A, false)];
    await begun(A);
    expect([pusher.isRunning(A), pusher.running, hasMarker(A)]).toEqual([true, 1, false]);
    ended(A).resolve();
    await Promise.all(all);
    expect(attempts).toHaveLength(1);
    const [file, marker] = await Promise.all(
      [join(wal, A), join(out, `${A}.ok`)].map((path) => stat(path, { bigint: true })),
    );
    expect(marker!.mtimeNs).toBe(file!.mtimeNs);
    expect([marker!.size, pusher.running]).toEqual([0n, 0]);
  });

  it('knows what it has just stored, for who saw no marker before, as long as the file is the same', async () => {
    const first = pusher.push(A, true);
    await begun(A);
    ended(A).resolve();
    await first;
    await pusher.push(A, false);
    expect(attempts).toHaveLength(1);
    await writeFile(join(wal, A), 'other bytes');
    finish.clear();
    const again = pusher.push(A, false);
    await begun(A);
    ended(A).resolve();
    await again;
    expect(attempts).toHaveLength(2);
  });

  it('keeps one slot for somebody who waits, and queues the rest', async () => {
    const first = pusher.push(A, true);
    expect(pusher.hasRoom).toBe(false);
    const second = pusher.push(B, false);
    const third = pusher.push(C, false);
    await begun(A);
    await begun(B);
    expect(attempts).toHaveLength(2);
    ended(A).resolve();
    await first;
    await begun(C);
    ended(B).resolve();
    ended(C).resolve();
    await Promise.all([second, third]);
    expect(pusher.hasRoom).toBe(true);
  });

  it('gives every one of them the error, tells it once, and starts anew for the next', async () => {
    const both = [pusher.push(A, true), pusher.push(A, false)];
    await begun(A);
    ended(A).reject(new PgarcError('store-unreachable', 'gone'));
    for (const { status } of await Promise.allSettled(both)) expect(status).toBe('rejected');
    expect(events).toEqual([
      { type: 'walPushFailed', name: A, ahead: true, code: 'store-unreachable', message: 'gone' },
    ]);
    expect(hasMarker(A)).toBe(false);
    finish.clear();
    const again = pusher.push(A, false);
    await begun(A);
    ended(A).resolve();
    await again;
    expect(hasMarker(A)).toBe(true);
  });

  it.each([
    ['written to', () => writeFile(join(wal, A), 'other')],
    ['touched', () => utimes(join(wal, A), 1, 1)],
    ['gone', () => rm(join(wal, A))],
    ['another with the same time', () => replaceKeepingTime(join(wal, A))],
  ])('makes no marker for a file that is %s after the upload', async (_, meddle) => {
    const pushing = pusher.push(A, true);
    await begun(A);
    await meddle();
    ended(A).resolve();
    await pushing;
    expect(hasMarker(A)).toBe(false);
  });

  it.each([
    ['written to', () => writeFile(join(wal, A), 'other')],
    ['another with the same time', () => replaceKeepingTime(join(wal, A))],
  ])('does not take the upload of a file for that of the one it is now, %s', async (_, meddle) => {
    const ahead = pusher.push(A, true);
    await begun(A);
    await meddle();
    let isDone = false;
    const asked = pusher.push(A, false).then(() => {
      isDone = true;
    });
    const stale = ended(A);
    finish.clear();
    stale.resolve();
    await ahead;
    await begun(A);
    expect([isDone, attempts]).toEqual([false, [join(wal, A), join(wal, A)]]);
    ended(A).resolve();
    await asked;
    expect(hasMarker(A)).toBe(true);
  });

  it('calls a file stored even when no marker can be made, and says why', async () => {
    await rm(out, { recursive: true });
    await writeFile(out, 'a file where the folder was');
    const pushing = pusher.push(A, true);
    await begun(A);
    ended(A).resolve();
    await pushing;
    await pusher.settle();
    expect(marks).toEqual([{ error: expect.objectContaining({ code: 'ENOTDIR' }) }]);
  });

  it('makes the folder of the markers again when somebody has cleaned it away', async () => {
    await rm(out, { recursive: true });
    const pushing = pusher.push(A, true);
    await begun(A);
    ended(A).resolve();
    await pushing;
    await pusher.settle();
    expect(marks).toEqual(['made']);
    expect(hasMarker(A)).toBe(true);
  });
});

async function replaceKeepingTime(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await writeFile(`${path}.new`, 'same size'.padEnd(24));
  await utimes(`${path}.new`, atime, mtime);
  await rename(`${path}.new`, path);
}
