import { expect, it } from 'vitest';
import { NoticeDesk } from '../../../../src/report/notices/desk.ts';
import type { NoticeMemory } from '../../../../src/report/notices/memory.ts';
import type { News, Notice } from '../../../../src/report/notices/notice.ts';
import type { NoticeRequest } from '../../../../src/report/notices/request.ts';

type Task = { make: () => NoticeRequest | undefined; onEnd: (arrived: boolean) => void };

/** A desk whose courier waits until the test says how the next one goes. */
function setUp(memory: NoticeMemory = new Map()) {
  let time = Date.parse('2026-11-21T12:00:00Z');
  const tasks: Task[] = [];
  const told: Notice[] = [];
  const desk = new NoticeDesk({
    webhook: 'http://hooks.example/x',
    courier: { bring: (make, onEnd = () => undefined) => void tasks.push({ make, onEnd }) },
    memory,
    onChange: () => undefined,
    origin: () => ({ node: 'db1', scope: 'main', cluster: '77' }),
    now: () => time,
  });
  return {
    desk,
    memory,
    told,
    pass(ms: number) {
      time += ms;
    },
    /** Brings all that waits, or fails to. @returns what was told */
    bring(arrives = true): string[] {
      const kinds: string[] = [];
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
        const request = task.make();
        if (request !== undefined && arrives) {
          told.push(request.document as Notice);
          kinds.push((request.document as Notice).what);
        }
        task.onEnd(arrives && request !== undefined);
      }
      return kinds;
    },
  };
}

const FAILED: News = { subject: 'backup', kind: 'jobFailed', code: 'store-unreachable', message: 'no store' };
const WELL = { subject: 'backup', message: 'done' } as const;
const DAY = 24 * 3_600_000;

it('tells a failure once, a different one, and that it is over', () => {
  const { desk, bring, told, pass, memory } = setUp();
  desk.noteTrouble(FAILED);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual(['jobFailed']);
  pass(60_000);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual([]);
  desk.noteTrouble({ ...FAILED, code: 'wal-gap', message: 'a gap', hint: 'Run `pgarc wal-verify`.' });
  expect(bring()).toEqual(['jobFailed']);
  pass(60_000);
  desk.noteWell(WELL);
  expect(bring()).toEqual(['recovered']);
  desk.noteWell(WELL);
  expect(bring()).toEqual([]);
  expect(memory.size).toBe(0);
  expect(told[1]).toEqual({
    what: 'jobFailed',
    text: 'pgarc (main, db1): a gap. Run `pgarc wal-verify`.',
    job: 'backup',
    state: 'failed',
    node: 'db1',
    scope: 'main',
    cluster: '77',
    time: '2026-11-21T12:01:00.000Z',
    since: '2026-11-21T12:00:00.000Z',
    message: 'a gap',
    hint: 'Run `pgarc wal-verify`.',
    run: null,
  });
  expect(told[2]).toMatchObject({ state: 'well', since: '2026-11-21T12:00:00.000Z', message: 'done' });
});

it('reminds after a day', () => {
  const { desk, bring, pass } = setUp();
  desk.noteTrouble(FAILED);
  bring();
  pass(DAY - 1);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual([]);
  pass(1);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual(['jobFailed']);
});

it('tells again what did not arrive, and no end of what never did', () => {
  const { desk, bring, memory } = setUp();
  desk.noteTrouble(FAILED);
  expect(bring(false)).toEqual([]);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual(['jobFailed']);
  desk.noteWell(WELL);
  expect(bring(false)).toEqual([]);
  desk.noteWell(WELL);
  expect(bring()).toEqual(['recovered']);
  desk.noteTrouble(FAILED);
  bring(false);
  desk.noteWell(WELL);
  expect(bring()).toEqual([]);
  expect(memory.size).toBe(0);
});

it('tells the end of trouble that is still on its way', () => {
  const { desk, bring, memory } = setUp();
  desk.noteTrouble(FAILED);
  desk.noteWell(WELL);
  expect(bring()).toEqual(['jobFailed', 'recovered']);
  expect(memory.size).toBe(0);
  // Neither arrives: nobody was told of anything.
  desk.noteTrouble(FAILED);
  desk.noteWell(WELL);
  expect(bring(false)).toEqual([]);
  desk.noteWell(WELL);
  expect(bring()).toEqual([]);
  expect(memory.size).toBe(0);
});

it('does not tell an end that is none any more', () => {
  const { desk, bring } = setUp();
  desk.noteTrouble(FAILED);
  bring();
  desk.noteWell(WELL);
  desk.noteTrouble(FAILED);
  expect(bring()).toEqual(['jobFailed']);
  desk.noteWell(WELL);
  expect(bring()).toEqual(['recovered']);
});

it('goes on after a restart where it was', () => {
  const first = setUp();
  first.desk.noteTrouble(FAILED);
  first.bring();
  const second = setUp(new Map(first.memory));
  second.desk.noteTrouble(FAILED);
  expect(second.bring()).toEqual([]);
  second.desk.noteWell(WELL);
  expect(second.bring()).toEqual(['recovered']);
});

it('keeps subjects apart', () => {
  const { desk, bring } = setUp();
  desk.noteTrouble(FAILED);
  desk.noteTrouble({ ...FAILED, subject: 'retain' });
  desk.noteWell({ subject: 'archive', message: 'fine' });
  expect(bring()).toEqual(['jobFailed', 'jobFailed']);
});
