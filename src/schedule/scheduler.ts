import { isPgarcError, messageOf, PgarcError } from '../errors.ts';
import { describeJob } from './describe-job.ts';
import { type Decision, decide } from './due.ts';
import { JobMemory, type Known, type MemoryDeps } from './job-memory.ts';
import { type JobRecord, loseRecord } from './job-record.ts';
import type { Job } from './jobs.ts';
import type { JobReport } from './report.ts';
import { type RunJobDeps, runJob } from './run-job.ts';

export interface SchedulerDeps extends RunJobDeps, MemoryDeps {
  jobs: readonly Job[];
  /** Makes jitter differ from cluster to cluster. */
  seed: string;
}

/** A lock that another has is tried so often, ms. */
const LOCK_INTERVAL = 3_000;

/**
 * Starts jobs when they are due. It has no timers: whoever owns it calls `tick` every second or so, so that no
 * jump of a clock and no sleep of the machine leaves it waiting for a moment that has passed.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #memory: JobMemory;
  readonly #began: Date;
  readonly #runs = new Set<Promise<void>>();
  readonly #stopped = new AbortController();

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#began = deps.clock.now();
    this.#memory = new JobMemory(deps, deps.jobs);
  }

  /** Whether a job runs in this process, or is about to. */
  get isRunning(): boolean {
    return this.#runs.size > 0;
  }

  report(): JobReport[] {
    const now = this.#deps.clock.now();
    return this.#memory.jobs.map(({ job, record, active }) => describeJob(job, record, now, active));
  }

  /**
   * Looks what is due, and starts it when this node may. Does not wait for what it starts.
   * @param mayStart whether this node runs the jobs now
   * @throws PgarcError `etcd-unreachable`: nothing was started
   */
  async tick(mayStart: boolean, signal: AbortSignal): Promise<void> {
    this.#tellLate();
    await this.#memory.refresh((known) => this.#decide(known).do !== 'wait', mayStart, signal);
    for (const known of this.#memory.jobs) {
      const decision = this.#decide(known);
      if (decision.do === 'wait') continue;
      if (decision.do === 'miss') this.#miss(known, decision.scheduledFor, mayStart);
      else if (mayStart) this.#begin(known, decision);
    }
    await this.#memory.writeProgress(signal);
  }

  /** Begins nothing more, ends what runs here, and waits for that. */
  async stop(): Promise<void> {
    this.#stopped.abort(new PgarcError('interrupted', 'the daemon was stopped'));
    await this.settle();
  }

  /** Waits until nothing runs here. */
  async settle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  #decide({ job, record, settled, isBusy, restUntil }: Known): Decision {
    const { clock, seed } = this.#deps;
    if (isBusy || this.#stopped.signal.aborted || clock.elapsed() < restUntil) return { do: 'wait' };
    return this.#judge(job, record, settled, seed);
  }

  #judge(job: Job, record: JobRecord | undefined, settled: Date | undefined, seed: string): Decision {
    // Where nothing was ever run, what was due before this process began is nobody's business.
    const from = settled ?? (record === undefined ? this.#began : undefined);
    return decide(job, { record, settled: from, seed }, this.#deps.clock.now());
  }

  #miss(known: Known, scheduledFor: Date, isTold: boolean): void {
    known.settled = scheduledFor;
    if (!isTold) return;
    const { emit, node } = this.#deps;
    emit({ type: 'jobMissed', job: known.job.name, node, scheduledFor: scheduledFor.toISOString() });
  }

  #begin(known: Known, decision: Exclude<Decision, { do: 'wait' | 'miss' }>): void {
    known.isBusy = true;
    const running = (decision.do === 'inspect' ? this.#inspect(known) : this.#run(known, decision))
      .catch((error: unknown) => this.#noteRefusal(known, error))
      .finally(() => {
        known.isBusy = false;
        known.active = undefined;
        this.#runs.delete(running);
      });
    this.#runs.add(running);
  }

  async #run(known: Known, decision: Extract<Decision, { do: 'start' }>): Promise<void> {
    const { job, settled } = known;
    const { seed } = this.#deps;
    const isStillDue = (record: JobRecord | undefined) => {
      const again = this.#judge(job, record ?? known.record, settled, seed);
      const isSame =
        again.do === 'start' &&
        again.attempt === decision.attempt &&
        +again.scheduledFor === +decision.scheduledFor;
      if (!isSame && record !== undefined) this.#memory.learn(known, record);
      return isSame;
    };
    const ended = await runJob(
      this.#deps,
      {
        job: job.name,
        scheduledFor: decision.scheduledFor,
        attempt: decision.attempt,
        byHand: false,
        isDue: isStillDue,
        onStart: (active) => {
          known.active = active;
          known.isLate = false;
          this.#memory.learn(known, active.record);
        },
      },
      this.#stopped.signal,
    );
    if (ended === undefined) return;
    this.#memory.learn(known, ended.record);
    if (!ended.saved) known.unsaved = ended.record;
  }

  /** The record says that a job runs, and not here: when its lock is free, its node is gone. */
  async #inspect(known: Known): Promise<void> {
    const { book, clock, emit } = this.#deps;
    const { signal } = this.#stopped;
    const lock = await book.lock(known.job.name, signal);
    try {
      const { record = known.record, revision } = await book.read(known.job.name, signal);
      if (record?.state !== 'running') {
        if (record !== undefined) this.#memory.learn(known, record);
        return;
      }
      const lost = loseRecord(record, clock.now());
      if (!(await book.write(lost, revision, signal))) return;
      this.#memory.learn(known, lost);
      const { job, node, scheduledFor, attempt, durationMs = 0, message = '', retryAt } = lost;
      emit({
        type: 'jobFailed',
        ...{ job, node, scheduledFor, attempt, durationMs, message },
        outcome: 'failed',
        code: 'failed',
        retryInMs: retryAt === undefined ? undefined : 0,
      });
    } finally {
      await lock.release();
    }
  }

  /** A run that could not begin: the lock is another's, or etcd is away. It is tried again. */
  #noteRefusal(known: Known, error: unknown): void {
    known.restUntil = this.#deps.clock.elapsed() + LOCK_INTERVAL;
    if (isPgarcError(error) && (error.retryable || this.#stopped.signal.aborted)) return;
    const message = `the job ${known.job.name} cannot start: ${messageOf(error)}`;
    this.#deps.emit({ type: 'warning', message });
  }

  #tellLate(): void {
    const { clock, emit } = this.#deps;
    for (const known of this.#memory.jobs) {
      const { active, job, isLate } = known;
      if (active === undefined || isLate || job.maxDuration === undefined) continue;
      const runningMs = Math.round(clock.elapsed() - active.startedAt);
      if (runningMs <= job.maxDuration) continue;
      known.isLate = true;
      emit({ type: 'jobLate', ...active.run, runningMs, maxDurationMs: job.maxDuration });
    }
  }
}
