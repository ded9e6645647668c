import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { PrefetchWindow } from '../../../src/daemon/prefetch-window.ts';
import { Prefetcher } from '../../../src/daemon/prefetcher.ts';
import { PgarcError } from '../../../src/errors.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

const MIB = 2 ** 20;

/** Name of segment `number` of timeline 1. */
const seg = (number: number, timeline = 1) =>
  `0000000${timeline}00000000${number.toString(16).toUpperCase().padStart(8, '0')}`;

let folder: string;
/** What the archive holds, by name. */
let archive: Set<string>;
/** Every request to the archive: `ahead NAME` or `asked NAME`. */
let requests: string[];
let events: PgarcEvent[];
/** Holds requests for these names until they are removed. */
let held: Set<string>;
let time: number;
let prefetcher: Prefetcher;

beforeEach(async () => {
  folder = await makeTemporaryFolder('in');
  archive = new Set();
  requests = [];
  events = [];
  held = new Set();
  time = 0;
  prefetcher = makePrefetcher(4);
});

function makePrefetcher(most: number): Prefetcher {
  const fetchAs = (how: string) => async (name: string, path: string, signal: AbortSignal) => {
    requests.push(`${how} ${name}`);
    await waitFor(() => !held.has(name) || signal.aborted, { interval: 1 });
    signal.throwIfAborted();
    if (archive.has(`down ${name}`)) throw new PgarcError('store-unreachable', 'it is down');
    if (!archive.has(name)) throw new PgarcError('wal-not-found', `${name} is not there`);
    await writeFile(path, `contents of ${name}`);
    return 16 * MIB;
  };
  return new Prefetcher({
    folder,
    window: new PrefetchWindow(16 * MIB, most),
    concurrency: 2,
    fetch: fetchAs('asked'),
    fetchAhead: fetchAs('ahead'),
    emit: (event) => events.push(event),
    now: () => time,
  });
}

let claims = 0;

/** Asks as a client does. @returns what it got */
async function ask(name: string, isReplay = true): Promise<string> {
  const path = join(folder, `${name}.client${++claims}`);
  await prefetcher.provide(name, { path, isReplay });
  const contents = await readFile(path, 'utf8');
  await rename(path, join(folder, `../taken${claims}`)).catch(() => undefined);
  return contents;
}

/** Takes a file as the launcher does. */
async function take(name: string): Promise<void> {
  await rename(join(folder, name), join(folder, 'gone'));
  prefetcher.look();
}

async function ready(...names: string[]): Promise<void> {
  await waitFor(
    async () => {
      const files = (await readdir(folder)).filter((file) => /^[0-9A-F]{24}$/.test(file));
      return files.sort().join() === names.join();
    },
    { what: names.join(), interval: 2 },
  ).catch(async (error) => {
    throw new Error(`${error.message}; there are ${(await readdir(folder)).join()}`);
  });
}

function store(from: number, to: number): void {
  for (let number = from; number <= to; number++) archive.add(seg(number));
}

it('fetches ahead of what was asked for, never more than the window', async () => {
  store(1, 20);
  expect(await ask(seg(3))).toBe(`contents of ${seg(3)}`);
  await ready(seg(4), seg(5), seg(6), seg(7));
  expect(requests.filter((request) => request.startsWith('asked'))).toEqual([`asked ${seg(3)}`]);
  await take(seg(4));
  await ready(seg(5), seg(6), seg(7), seg(8));
  expect(new Set(requests).size).toBe(requests.length);
  expect(events.filter(({ type }) => type === 'walTaken')).toEqual([
    { type: 'walTaken', name: seg(3), ahead: false },
    { type: 'walTaken', name: seg(4), ahead: true },
  ]);
});

it('hands over what is at hand to who asks', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  expect(await ask(seg(4))).toBe(`contents of ${seg(4)}`);
  expect(requests).not.toContain(`asked ${seg(4)}`);
  await ready(seg(5), seg(6), seg(7), seg(8));
});

it('does without what a cleaner has removed, and makes the folder again', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  await rm(folder, { recursive: true });
  prefetcher.look();
  expect(prefetcher.ahead).toEqual([]);
  expect(events.filter(({ type }) => type === 'walTaken')).toHaveLength(1);
  await waitFor(() => existsSync(folder), { interval: 1 });
  expect(await ask(seg(4))).toBe(`contents of ${seg(4)}`);
  await ready(seg(5), seg(6), seg(7), seg(8));
});

it('fetches nothing ahead when it shall not', async () => {
  prefetcher = makePrefetcher(0);
  store(1, 20);
  await ask(seg(3));
  await ask(seg(4));
  expect(requests).toEqual([`asked ${seg(3)}`, `asked ${seg(4)}`]);
  expect(prefetcher.ahead).toEqual([]);
});

it('shares one download among all who ask for a segment', async () => {
  store(1, 3);
  held.add(seg(3));
  const asked = [ask(seg(3)), ask(seg(3)), ask(seg(3))];
  await waitFor(() => requests.length > 0, { interval: 1 });
  held.clear();
  expect(await Promise.all(asked)).toEqual(Array(3).fill(`contents of ${seg(3)}`));
  expect(requests.filter((request) => request.endsWith(seg(3)))).toEqual([`asked ${seg(3)}`]);
});

it('takes a question that is repeated for the one before', async () => {
  store(1, 3);
  held.add(seg(3));
  const path = join(folder, `${seg(3)}.client`);
  const asked = [1, 2, 3].map(() => prefetcher.provide(seg(3), { path, isReplay: true }));
  await waitFor(() => requests.length > 0, { interval: 1 });
  held.clear();
  await Promise.all(asked);
  expect(await readFile(path, 'utf8')).toBe(`contents of ${seg(3)}`);
  expect(requests.filter((request) => request.endsWith(seg(3)))).toEqual([`asked ${seg(3)}`]);
  expect(events.filter(({ type }) => type === 'walTaken')).toHaveLength(1);
});

it('joins a download ahead that is under way', async () => {
  store(1, 4);
  held.add(seg(4));
  await ask(seg(3));
  await waitFor(() => requests.includes(`ahead ${seg(4)}`), { interval: 1 });
  const asked = [ask(seg(4)), ask(seg(4))];
  held.clear();
  expect(await Promise.all(asked)).toEqual(Array(2).fill(`contents of ${seg(4)}`));
  expect(requests).not.toContain(`asked ${seg(4)}`);
});

it('asks again for what a request ahead did not find', async () => {
  store(1, 3);
  held.add(seg(4));
  await ask(seg(3));
  await waitFor(() => requests.includes(`ahead ${seg(4)}`), { interval: 1 });
  const refused = expect(ask(seg(4))).rejects.toMatchObject({ code: 'wal-not-found' });
  held.clear();
  await refused;
  expect(requests.slice(-2)).toEqual([`ahead ${seg(4)}`, `asked ${seg(4)}`]);
  archive.add(seg(4));
  expect(await ask(seg(4))).toBe(`contents of ${seg(4)}`);
});

it('asks the archive twice for a missing segment that somebody waits for, and not at all ahead of it', async () => {
  store(1, 3);
  await ask(seg(3));
  await waitFor(() => prefetcher.ahead.length === 0, { interval: 1 });
  requests.length = 0;
  // What a standby does every five seconds.
  for (let i = 0; i < 5; i++) {
    await ask(seg(3));
    await expect(ask(seg(4))).rejects.toMatchObject({ code: 'wal-not-found' });
  }
  expect(requests.filter((request) => request.startsWith('ahead'))).toEqual([]);
  expect(requests).toHaveLength(10);
  store(4, 6);
  await ask(seg(4));
  await ready(seg(5), seg(6));
});

it('does not take a failure ahead for an answer', async () => {
  store(1, 4);
  archive.add(`down ${seg(4)}`);
  await ask(seg(3));
  await waitFor(() => prefetcher.ahead.length === 0, { interval: 1 });
  await expect(ask(seg(4))).rejects.toMatchObject({ code: 'store-unreachable' });
  archive.delete(`down ${seg(4)}`);
  expect(await ask(seg(4))).toBe(`contents of ${seg(4)}`);
});

it.each([
  ['another timeline', seg(4, 2)],
  ['a place before', seg(1)],
  ['a place far ahead', seg(60)],
])('drops what it has when replay goes to %s', async (_, name) => {
  store(1, 20);
  archive.add(name);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  held.add(seg(8));
  await take(seg(4));
  await waitFor(() => requests.includes(`ahead ${seg(8)}`), { interval: 1 });
  await ask(name);
  await waitFor(() => !prefetcher.ahead.includes(seg(8)), { interval: 1 });
  const files = await readdir(folder);
  for (const old of [seg(5), seg(6), seg(7), seg(8)]) {
    if (name !== seg(1)) expect(files).not.toContain(old);
  }
});

it('keeps what it has when another timeline does not have the segment', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  await expect(ask(seg(4, 2))).rejects.toMatchObject({ code: 'wal-not-found' });
  await take(seg(4));
  await ready(seg(5), seg(6), seg(7), seg(8));
});

it('does not follow a tool that looks at single segments, and history files', async () => {
  store(1, 20);
  archive.add('00000002.history');
  await ask(seg(9), false);
  await ask('00000002.history');
  expect(prefetcher.ahead).toEqual([]);
  expect(requests).toEqual([`asked ${seg(9)}`, 'asked 00000002.history']);
});

it('fetches what the launcher of another request has taken meanwhile', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  await rename(join(folder, seg(4)), join(folder, 'gone'));
  expect(await ask(seg(4))).toBe(`contents of ${seg(4)}`);
});

it('removes after a while what nobody takes', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  await prefetcher.provide(seg(4), { path: join(folder, `${seg(4)}.dead`), isReplay: true });
  await ready(seg(5), seg(6), seg(7), seg(8));
  time = 11 * 60_000;
  prefetcher.look();
  await ready();
  await waitFor(async () => !(await readdir(folder)).includes(`${seg(4)}.dead`), { interval: 1 });
});

it('gives up what nobody waits for when it stops, and finishes the rest', async () => {
  store(1, 20);
  await ask(seg(3));
  await ready(seg(4), seg(5), seg(6), seg(7));
  held.add(seg(8));
  await take(seg(4));
  held.add(seg(20));
  const asked = ask(seg(20), false);
  await waitFor(() => requests.includes(`asked ${seg(20)}`), { interval: 1 });
  const stopped = prefetcher.stop();
  held.delete(seg(20));
  expect(await asked).toBe(`contents of ${seg(20)}`);
  await stopped;
  expect(prefetcher.ahead).toEqual([]);
  await expect(ask(seg(1))).rejects.toMatchObject({ code: 'interrupted' });
});

it('ends at once when it is aborted', async () => {
  store(1, 20);
  held.add(seg(3));
  const refused = expect(ask(seg(3))).rejects.toMatchObject({ code: 'interrupted' });
  await waitFor(() => requests.length > 0, { interval: 1 });
  prefetcher.abort(new PgarcError('interrupted', 'enough'));
  await refused;
  expect(await readdir(folder)).toEqual([]);
});
