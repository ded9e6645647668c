import { expect, test } from 'vitest';
import { abortLater, unlessAborted, untilAborted } from '../../../src/store/abortable.ts';

test('passes everything on and closes the source when left', async () => {
  let isClosed = false;
  async function* source() {
    try {
      yield* [1, 2, 3];
    } finally {
      isClosed = true;
    }
  }
  const { signal } = new AbortController();
  expect(await Array.fromAsync(untilAborted(source(), signal))).toEqual([1, 2, 3]);
  isClosed = false;
  for await (const _ of untilAborted(source(), signal)) break;
  expect(isClosed).toBe(true);
});

test('throws the reason at once while the source keeps silent', async () => {
  const controller = new AbortController();
  async function* source() {
    yield 1;
    queueMicrotask(() => controller.abort(new Error('interrupted')));
    await new Promise(() => undefined);
  }
  await expect(Array.fromAsync(untilAborted(source(), controller.signal))).rejects.toThrow('interrupted');
});

test('throws what the source throws', async () => {
  // biome-ignore lint/correctness/useYield: it fails before
  async function* source() {
    throw new Error('broke');
  }
  await expect(Array.fromAsync(untilAborted(source(), new AbortController().signal))).rejects.toThrow(
    'broke',
  );
});

test('abortLater aborts only after the other did, and not once stopped', async () => {
  const controller = new AbortController();
  const late = abortLater(controller.signal, 20);
  const stopped = abortLater(controller.signal, 20);
  controller.abort(new Error('interrupted'));
  expect(late.signal.aborted).toBe(false);
  stopped.stop();
  await new Promise((resolve) => late.signal.addEventListener('abort', resolve));
  expect(late.signal.reason).toBe(controller.signal.reason);
  expect(stopped.signal.aborted).toBe(false);
});

test('what cannot be ended is not waited for after an abort', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  expect(await unlessAborted(Promise.resolve(1), undefined)).toBe(1);
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
  const waiting = unlessAborted(new Promise(() => undefined), signal);
  controller.abort(new Error('interrupted'));
  await expect(waiting).rejects.toThrow('interrupted');
  await expect(unlessAborted(Promise.reject(new Error('late')), signal)).rejects.toThrow('interrupted');
});
