import type { Emit } from '../report/events.ts';
import type { JobBook } from './job-book.ts';
import type { JobRecord } from './job-record.ts';
import type { Job } from './jobs.ts';
import { type ActiveRun, type Clock, isSameRun } from './run-job.ts';

/** What is known of a job in this process. */
export interface Known {
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

export interface MemoryDeps {
  book: JobBook;
  /** A copy of what is known, on this host, for when the book is lost. */
  copy?: Pick<JobBook, 'list' | 'write'> | undefined;
  emit: Emit;
  clock: Clock;
}

/** The book is read so often, ms, and whenever something is due. */
const READ_INTERVAL = 10_000;
/** How far a run has come is written down so often, ms. */
const PROGRESS_INTERVAL = 10_000;

const NEVER = new AbortController().signal;

/** What this process knows of the jobs, kept in step with the book. */
export class JobMemory {
  readonly jobs: readonly Known[];
  readonly #deps: MemoryDeps;
  #readAt = Number.NEGATIVE_INFINITY;
  #progressAt = Number.NEGATIVE_INFINITY;
  #hasCopy = false;
  #copying: Promise<void> = Promise.resolve();

  constructor(deps: MemoryDeps, jobs: readonly Job[]) {
    this.#deps = deps;
    this.jobs = jobs.map((job) => ({
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

  /**
   * Reads the book when it is time to, or something is due.
   * @param isDue asked of each job when the copy was read
   * @param mayMend whether this node speaks for all: puts again what is missing in the book, and tells what a
   *   person's run came to
   * @throws PgarcError `etcd-unreachable`
   */
  async refresh(isDue: (known: Known) => boolean, mayMend: boolean, signal: AbortSignal): Promise<void> {
    const { copy, book, clock } = this.#deps;
    if (copy !== undefined && !this.#hasCopy) {
      this.#hasCopy = true;
      for (const record of await copy.list(signal)) {
        const known = this.jobs.find(({ job }) => job.name === record.job);
        if (known !== undefined) known.record = record;
      }
    }
    const isWanted = this.jobs.some((known) => isDue(known) || known.unsaved !== undefined);
    if (!isWanted && clock.elapsed() - this.#readAt < READ_INTERVAL) return;
    const records = await book.list(signal);
    this.#readAt = clock.elapsed();
    for (const known of this.jobs) {
      if (known.isBusy) continue;
      const found = records.find(({ job }) => job === known.job.name);
      if (known.unsaved !== undefined) await this.#saveLate(known, found, signal);
      else if (found !== undefined) {
        if (mayMend) this.#tellByHand(known, found);
        this.learn(known, found);
      }
      // Somebody wiped it, or wrote rubbish over it.
      else if (known.record !== undefined && mayMend) await this.#restore(known, signal);
    }
  }

  /** That a job went well by hand ends a trouble that was told; how it failed is told to the person. */
  #tellByHand({ record: before }: Known, record: JobRecord): void {
    const { job, node, scheduledFor, attempt, state, durationMs = 0, message, backup, deleted } = record;
    if (record.byHand !== true || (state !== 'ok' && state !== 'warnings') || before === undefined) return;
    if (isSameRun(before, record) && before.state !== 'running') return;
    const run = { job, node, scheduledFor, attempt };
    this.#deps.emit({ type: 'jobFinished', ...run, durationMs, outcome: state, message, backup, deleted });
  }

  /** A run has ended while the book could not be written. */
  async #saveLate(known: Known, found: JobRecord | undefined, signal: AbortSignal): Promise<void> {
    const ended = known.unsaved!;
    if (found === undefined || (isSameRun(found, ended) && found.state === 'running')) {
      const { revision } = await this.#deps.book.read(known.job.name, signal);
      if (!(await this.#deps.book.write(ended, revision, signal))) return;
      this.learn(known, ended);
    } else this.learn(known, found);
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

  /** Notes what a job's record is now. */
  learn(known: Known, record: JobRecord): void {
    const isNews = JSON.stringify(record) !== JSON.stringify(known.record);
    known.record = record;
    const { copy } = this.#deps;
    if (!isNews || copy === undefined) return;
    // One after the other. It is a help for later: a spool that is full does not stop a job.
    this.#copying = this.#copying.then(() => copy.write(record, undefined, NEVER)).then(ignore, ignore);
  }

  /** For the other nodes; this one has it in memory. */
  async writeProgress(signal: AbortSignal): Promise<void> {
    const { book, clock } = this.#deps;
    if (book.source !== 'etcd' || clock.elapsed() - this.#progressAt < PROGRESS_INTERVAL) return;
    this.#progressAt = clock.elapsed();
    for (const { active, job } of this.jobs) {
      const progress = active?.progress.fraction;
      if (active === undefined || progress === undefined) continue;
      const { record, revision } = await book.read(job.name, signal);
      if (record?.state !== 'running' || !isSameRun(record, active.record)) continue;
      await book.write({ ...record, progress: Math.round(progress * 1000) / 1000 }, revision, signal);
    }
  }
}

function ignore(): void {}
