import type { JobName, RunReport } from '../schedule/report.ts';
import type { Handlers, Meters } from './metrics-meters.ts';

export interface JobMetrics {
  handlers: Handlers;
  /** Notes how a run ended before this daemon began, unless it knows of a later one. */
  recall(job: JobName, run: RunReport): void;
}

/** How the scheduled jobs go that this node runs, and whether it is the one that runs them. */
export function createJobMetrics({ counter, level, seconds }: Meters): JobMetrics {
  const runs = counter('pgarc_job_runs_total', 'Runs of scheduled jobs that have ended', 'job', 'outcome');
  const success = level('pgarc_job_last_success_timestamp_seconds', 'When a run ended well last', 'job');
  const failure = level('pgarc_job_last_failure_timestamp_seconds', 'When a run failed last', 'job');
  const duration = level('pgarc_job_last_duration_seconds', 'How long the last run took', 'job');
  const running = level('pgarc_job_running', 'Whether a run is under way on this node', 'job');
  const missed = counter('pgarc_job_missed_total', 'Scheduled runs that did not take place', 'job');
  const leader = level('pgarc_leader', 'Whether this node runs the scheduled jobs of its scope');
  const deleted = counter(
    'pgarc_retention_deleted_total',
    'What scheduled runs of retention deleted',
    'what',
  );
  const deletedBytes = counter('pgarc_retention_deleted_bytes_total', 'Stored bytes of what they deleted');
  const known = new Set<JobName>();
  const handlers: Handlers = {
    jobStarted: ({ job }) => running(1, { job }),
    jobFinished({ job, durationMs, outcome, deleted: gone }) {
      known.add(job);
      running(0, { job });
      runs.inc({ job, outcome });
      success(seconds(), { job });
      duration(durationMs / 1000, { job });
      if (gone === undefined) return;
      deleted.inc({ what: 'backups' }, gone.backups);
      deleted.inc({ what: 'segments' }, gone.segments);
      deleted.inc({ what: 'objects' }, gone.objects);
      deletedBytes.inc(gone.bytes);
    },
    jobFailed({ job, durationMs, outcome }) {
      known.add(job);
      running(0, { job });
      runs.inc({ job, outcome });
      failure(seconds(), { job });
      duration(durationMs / 1000, { job });
    },
    jobMissed: ({ job }) => missed.inc({ job }),
    leadershipChanged: ({ isLeader }) => leader(isLeader ? 1 : 0),
  };
  return {
    handlers,
    recall(job, { state, finishedAt, durationMs }) {
      const end = Date.parse(finishedAt ?? '') / 1000;
      if (known.has(job) || Number.isNaN(end) || state === 'running') return;
      (state === 'failed' ? failure : success)(end, { job });
      if (durationMs !== undefined) duration(durationMs / 1000, { job });
    },
  };
}
