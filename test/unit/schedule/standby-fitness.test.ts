import { expect, it } from 'vitest';
import { PgarcError } from '../../../src/errors.ts';
import { NEEDS_PRIMARY } from '../../../src/postgres/needs-primary.ts';
import type { RunContext } from '../../../src/schedule/run-job.ts';
import type { ServerState } from '../../../src/schedule/server-watch.ts';
import { StandbyFitness } from '../../../src/schedule/standby-fitness.ts';

const CONTEXT: RunContext = { emit: () => undefined, assertHeld: async () => undefined };
const REPLICA: ServerState = { role: 'replica', lsn: 1n, reason: undefined };
const QUIET = new PgarcError('refused', 'exists', { details: { reason: NEEDS_PRIMARY } });

it.each([
  ['a replica that waits for its primary rests', QUIET, REPLICA, 599_999, false],
  ['it is fit again after ten minutes', QUIET, REPLICA, 600_000, true],
  ['a replica that was promoted is fit', QUIET, { ...REPLICA, role: 'primary' as const }, 1, true],
  ['another failure says nothing of the replica', new PgarcError('refused', 'no'), REPLICA, 1, true],
])('%s', async (_, error, state, after, isFit) => {
  let time = 5;
  const fitness = new StandbyFitness({ elapsed: () => time });
  expect(fitness.judge(state)).toBe(state);
  const operate = fitness.watch(() => Promise.reject(error));
  await expect(operate('backup', CONTEXT, new AbortController().signal)).rejects.toBe(error);
  time += after;
  expect(fitness.judge(state).reason === undefined).toBe(isFit);
});

it('leaves the reason of a server that is down as it is', async () => {
  const fitness = new StandbyFitness({ elapsed: () => 0 });
  await fitness
    .watch(() => Promise.reject(QUIET))('backup', CONTEXT, new AbortController().signal)
    .catch(() => 0);
  const down = { ...REPLICA, reason: 'connection refused' };
  expect(fitness.judge(down)).toBe(down);
});
