import { describe, expect, it } from 'vitest';
import { readAhead } from '../../../../src/backup/fetch/read-ahead.ts';

async function* count(to: number, log: string[] = [], fail = false): AsyncGenerator<Buffer> {
  try {
    for (let i = 0; i < to; i++) {
      log.push(`made ${i}`);
      yield Buffer.from([i]);
    }
    if (fail) throw new Error('the network broke');
  } finally {
    log.push('closed');
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('readAhead', () => {
  it('hands on everything in order', async () => {
    const got: number[] = [];
    for await (const chunk of readAhead(count(50))) got.push(chunk[0] ?? -1);
    expect(got).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('is one chunk ahead and never two, so that two buffers in turn are enough', async () => {
    const log: string[] = [];
    const reader = readAhead(count(5, log));
    await reader.next();
    await settle();
    expect(log).toEqual(['made 0', 'made 1']);
    await reader.next();
    await settle();
    expect(log).toEqual(['made 0', 'made 1', 'made 2']);
    await reader.return(undefined);
  });

  it('gives what came before a failure, then the failure', async () => {
    const got: number[] = [];
    const read = async () => {
      for await (const chunk of readAhead(count(3, [], true))) got.push(chunk[0] ?? -1);
    };
    await expect(read()).rejects.toThrow('the network broke');
    expect(got).toEqual([0, 1, 2]);
  });

  it('closes its source when it is left early', async () => {
    const log: string[] = [];
    for await (const _ of readAhead(count(1000, log))) break;
    await settle();
    expect(log.at(-1)).toBe('closed');
  });
});
