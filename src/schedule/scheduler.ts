import { isPgarcError, PgarcError } from '../errors.ts';
import { describeJob } from './describe-job.ts';
import { type Decision, decide } from './due.ts';
import type { JobBook } from './job-book.ts';
import { type JobRecord, loseRecord } from './job-record.ts';
import type { Job } from './jobs.ts';
import type { JobReport } from './report.ts';
import { type ActiveRun, isSameRun, type RunJobDeps, runJob } from './run-job.ts';

export interface SchedulerDeps extends RunJobDeps {
  jobs: readonly Job[];
  /** Makes jitter differ from cluster to cluster. */
  seed: string;
  /** A copy of what is known, on this host, for when the book is lost. */
  copy?: Pick<JobBook, 'list' | 'write'> | undefined;
}

/** What is known of a job in this process. */
interface Known {
  readonly job: Job;
  record: JobRecord | undefined;
  /** Scheduled times up to this one were missed, which was told. */
  settled: Date | undefined;
  active: ActiveRun | undefined;
  isLate: boolean;
  /** While it is being started or its record is mended. */
  isBusy: boolean;
  /** Not looked at before, ms: its lock was another's just now. */
  restUntil: number;
  /** How a run of this process ended that the book does not know yet. */
  unsaved: JobRecord | undefined;
}

/** The book is read so often, ms, and whenever something is due. */
const READ_INTERVAL = 10_000;
/** A lock that another has is tried so often, ms. */
const LOCK_INTERVAL = 3_000;
/** How far a run has come is written down so often, ms. */
const PROGRESS_INTERVAL = 10_000;

/**
 * Starts jobs when they are due. It has no timers: whoever owns it calls `tick` every second or so, so that no
 * jump of a clock and no sleep of the machine leaves it waiting for a moment that has passed.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #known: readonly Known[];
  readonly #began: Date;
  readonly #runs = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  #readAt = Number.NEGATIVE_INFINITY;
  #progressAt = Number.NEGATIVE_INFINITY;
  #hasCopy = false;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#began = deps.clock.now();
    this.#known = deps.jobs.map((job) => ({
      job,
      record: undefined,
      settled: undefined,
      active: undefined,
      isLate: false,
      isBusy: false,
      restUntil: 0,
      unsaved: undefined,
    }));
  }

  /** Whether a job runs in this process, or is about to. */
  get isRunning(): boolean {
    return this.#runs.size > 0;
  }

  report(): JobReport[] {
    const now = this.#deps.clock.now();
    return this.#known.map(({ job, record, active }) => describeJob(job, record, now, active));
  }

  /**
   * Looks what is due, and starts it when this node may. Does not wait for what it starts.
   * @param mayStart whether this node runs the jobs now
   * @throws PgarcError `etcd-unreachable`: nothing was started
   */
  async tick(mayStart: boolean, signal: AbortSignal): Promise<void> {
    this.#tellLate();
    await this.#refresh(mayStart, signal);
    for (const known of this.#known) {
      const decision = this.#decide(known);
      if (decision.do === 'wait') continue;
      if (decision.do === 'miss') this.#miss(known, decision.scheduledFor, mayStart);
      else if (mayStart) this.#begin(known, decision);
    }
    await this.#writeProgress(signal);
  }

  /** Begins nothing more, ends what runs here, and waits for that. */
  async stop(): Promise<void> {
    this.#stopped.abort(new PgarcError('interrupted', 'the daemon was stopped'));
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  /** Waits until nothing runs here. */
  async settle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  #decide(known: Known, record = known.record): Decision {
    const { job, settled, isBusy, restUntil } = known;
    const { clock, seed } = this.#deps;
    if (isBusy || this.#stopped.signal.aborted || clock.elapsed() < restUntil) return { do: 'wait' };
    return this.#judge(job, record, settled, seed);
  }

  #judge(job: Job, record: JobRecord | undefined, settled: Date | undefined, seed: string): Decision {
    // Where nothing was ever run, what was due before this process began is nobody's business.
    const from = settled ?? (record === undefined ? this.#began : undefined);
    return decide(job, { record, settled: from, seed }, this.#deps.clock.now());
  }

  async #refresh(mayStart: boolean, signal: AbortSignal): Promise<void> {
    const { copy, book, clock } = this.#deps;
    if (copy !== undefined && !this.#hasCopy) {
      this.#hasCopy = true;
      for (const record of await copy.list(signal)) {
        const known = this.#known.find(({ job }) => job.name === record.job);
        if (known !== undefined) known.record = record;
      }
    }
    const isDue = this.#known.some((known) => this.#decide(known).do !== 'wait' || known.unsaved);
    if (!isDue && clock.elapsed() - this.#readAt < READ_INTERVAL) return;
    const records = await book.list(signal);
    this.#readAt = clock.elapsed();
    for (const known of this.#known) {
      if (known.isBusy) continue;
      const found = records.find(({ job }) => job === known.job.name);
      if (known.unsaved !== undefined) await this.#saveLate(known, found, signal);
      else if (found !== undefined) this.#learn(known, found);
      // Somebody wiped it, or wrote rubbish over it.
      else if (known.record !== undefined && mayStart) await this.#restore(known, signal);
    }
  }

  /** A run has ended while the book could not be written. */
  async #saveLate(known: Known, found: JobRecord | undefined, signal: AbortSignal): Promise<void> {
    const ended = known.unsaved!;
    if (found === undefined || (isSameRun(found, ended) && found.state === 'running')) {
      const { revision } = await this.#deps.book.read(known.job.name, signal);
      if (!(await this.#deps.book.write(ended, revision, signal))) return;
      this.#learn(known, ended);
    } else this.#learn(known, found);
    known.unsaved = undefined;
  }

  async #restore(known: Known, signal: AbortSignal): Promise<void> {
    const { book, emit } = this.#deps;
    const read = await book.read(known.job.name, signal);
    if (read.record !== undefined) return;
    const isRubbish = read.revision !== undefined;
    if (!(await book.write(known.record!, read.revision, signal)) || !isRubbish) return;
    const message = `the record of the job ${known.job.name} held something else: it is written anew`;
    emit({ type: 'warning', message });
  }

  #learn(known: Known, record: JobRecord): void {
    const isNews = JSON.stringify(record) !== JSON.stringify(known.record);
    known.record = record;
    // The copy is a help for later: a spool that is full does not stop a job.
    if (isNews) void this.#deps.copy?.write(record, undefined, this.#stopped.signal).catch(() => undefined);
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
      if (!isSame && record !== undefined) this.#learn(known, record);
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
          this.#learn(known, active.record);
        },
      },
      this.#stopped.signal,
    );
    if (ended === undefined) return;
    this.#learn(known, ended.record);
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
        if (record !== undefined) this.#learn(known, record);
        return;
      }
      const lost = loseRecord(record, clock.now());
      if (!(await book.write(lost, revision, signal))) return;
      this.#learn(known, lost);
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
    const message = `the job ${known.job.name} cannot start: ${(error as Error).message}`;
    this.#deps.emit({ type: 'warning', message });
  }

  #tellLate(): void {
    const { clock, emit } = this.#deps;
    for (const known of this.#known) {
      const { active, job, isLate } = known;
      if (active === undefined || isLate || job.maxDuration === undefined) continue;
      const runningMs = Math.round(clock.elapsed() - active.startedAt);
      if (runningMs <= job.maxDuration) continue;
      known.isLate = true;
      emit({ type: 'jobLate', ...active.run, runningMs, maxDurationMs: job.maxDuration });
    }
  }

  /** For the other nodes; this one has it in memory. */
  async #writeProgress(signal: AbortSignal): Promise<void> {
    const { book, clock } = this.#deps;
    if (book.source !== 'etcd' || clock.elapsed() - this.#progressAt < PROGRESS_INTERVAL) return;
    this.#progressAt = clock.elapsed();
    for (const { active, job } of this.#known) {
      const progress = active?.progress.fraction;
      if (active === undefined || progress === undefined) continue;
      const { record, revision } = await book.read(job.name, signal);
      if (record?.state !== 'running' || !isSameRun(record, active.record)) continue;
      await book.write({ ...record, progress: Math.round(progress * 1000) / 1000 }, revision, signal);
    }
  }
}
