import { isPgarcError } from '../errors.ts';
import { NEEDS_PRIMARY } from '../postgres/needs-primary.ts';
import type { Clock, Operate } from './run-job.ts';
import type { ServerState } from './server-watch.ts';

/** A primary that is used has made a checkpoint and ended a segment by then, ms. */
const REST = 10 * 60_000;

/**
 * Beside a quiet primary, and right after a failover, a standby cannot take a backup: nothing has made a new
 * restartpoint or ended a segment. After such a failure it is not fit for a while, so that another node leads and
 * tries again; a primary does both itself.
 */
export class StandbyFitness {
  readonly #clock: Pick<Clock, 'elapsed'>;
  #until = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  /** Hears how runs end. */
  watch(operate: Operate): Operate {
    return async (job, context, signal) => {
      try {
        return await operate(job, context, signal);
      } catch (error) {
        const isStuck = isPgarcError(error) && error.details?.reason === NEEDS_PRIMARY;
        if (isStuck) this.#until = this.#clock.elapsed() + REST;
        throw error;
      }
    };
  }

  /** The state of this node's server, with that in view. */
  judge(state: ServerState): ServerState {
    if (state.role !== 'replica' || state.reason !== undefined) return state;
    if (this.#clock.elapsed() >= this.#until) return state;
    return {
      ...state,
      reason:
        'its last backup waited for what only its primary does: a checkpoint, or the end of a WAL segment',
    };
  }
}
