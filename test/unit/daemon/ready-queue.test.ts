import { expect, it } from 'vitest';
import { nameOfReady, ReadyQueue } from '../../../src/daemon/ready-queue.ts';

const A = '000000010000000000000001';
const B = '000000010000000000000002';
const C = '000000020000000000000001';

function drain(queue: ReadyQueue, accepts: (name: string) => boolean = () => true): string[] {
  const names: string[] = [];
  for (let name = queue.next(accepts); name !== undefined; name = queue.next(accepts)) names.push(name);
  return names;
}

it('hands out history files first, then the oldest, and nothing that is no WAL file', () => {
  const queue = new ReadyQueue();
  const backup = `${A}.00000028.backup`;
  queue.fill([
    `${C}.ready`,
    `${B}.ready`,
    `${A}.done`,
    '00000003.history.ready',
    'x.ready',
    `${backup}.ready`,
    '00000002.history.ready',
    `${A}.ready`,
  ]);
  expect(queue.size).toBe(6);
  expect(drain(queue)).toEqual(['00000002.history', '00000003.history', A, backup, B, C]);
  expect(queue.left).toBe(0);
  expect([queue.has(B), queue.has('x')]).toEqual([true, false]);
});

it('offers what was left out after a rewind', () => {
  const queue = new ReadyQueue();
  queue.fill([`${A}.ready`, `${B}.ready`]);
  expect(drain(queue, (name) => name === B)).toEqual([B]);
  expect(drain(queue)).toEqual([]);
  queue.rewind();
  expect(drain(queue)).toEqual([A, B]);
});

it('knows the names PostgreSQL gives', () => {
  expect(nameOfReady(`${A}.ready`)).toBe(A);
  expect(nameOfReady(`${A}.partial.ready`)).toBe(`${A}.partial`);
  for (const name of [A, `${A}.done`, '.ready', 'RECOVERYXLOG.ready'])
    expect(nameOfReady(name)).toBeUndefined();
});
