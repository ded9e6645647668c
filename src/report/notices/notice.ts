import type { ErrorCode } from '../../errors.ts';
import type { JobName, RunReport } from '../../schedule/report.ts';

/** What a notice is about: a scheduled job, or the archiving of WAL. */
export type Subject = JobName | 'archive';

/** What happened: trouble of a kind, or that it is over. */
export type NoticeKind = 'jobFailed' | 'jobWarnings' | 'jobLate' | 'jobMissed' | 'archiveStuck' | 'recovered';

/** Where a notice comes from. */
export interface NoticeOrigin {
  node: string;
  scope: string | undefined;
  /** System identifier, as text; undefined while there is no cluster. */
  cluster: string | undefined;
}

/** Trouble, or its end, as those who watch for it tell it. */
export interface News {
  subject: Subject;
  kind: NoticeKind;
  /** Code of the error behind it. */
  code?: ErrorCode | undefined;
  /** What happened, in words. */
  message: string;
  /** A sentence that says what to do. */
  hint?: string | undefined;
  /** The record of the run it is about. */
  run?: RunReport | undefined;
}

/**
 * The document a webhook gets. Fields are only ever added; what is not known is null. `text` says all of it in a
 * sentence, under the name that chat programs look for.
 */
export interface Notice {
  what: NoticeKind;
  text: string;
  job: JobName | null;
  state: 'failed' | 'warnings' | 'late' | 'missed' | 'stuck' | 'well';
  node: string;
  scope: string | null;
  cluster: string | null;
  /** When it happened, and since when there is trouble; RFC 3339 in UTC. */
  time: string;
  since: string | null;
  message: string;
  hint: string | null;
  run: RunReport | null;
}

const STATES: Readonly<Record<NoticeKind, Notice['state']>> = {
  jobFailed: 'failed',
  jobWarnings: 'warnings',
  jobLate: 'late',
  jobMissed: 'missed',
  archiveStuck: 'stuck',
  recovered: 'well',
};

/** Writes the document. @param since ms since 1970 */
export function writeNotice(news: News, origin: NoticeOrigin, time: Date, since: number | undefined): Notice {
  const { kind, subject, message, hint } = news;
  const place = origin.scope === undefined ? origin.node : `${origin.scope}, ${origin.node}`;
  const advice = hint === undefined ? '' : ` ${hint}`;
  return {
    what: kind,
    text: `pgarc (${place}): ${message}.${advice}`,
    job: subject === 'archive' ? null : subject,
    state: STATES[kind],
    node: origin.node,
    scope: origin.scope ?? null,
    cluster: origin.cluster ?? null,
    time: time.toISOString(),
    since: since === undefined ? null : new Date(since).toISOString(),
    message,
    hint: hint ?? null,
    run: news.run ?? null,
  };
}

/**
 * Two troubles with the same fingerprint are the same one. A code of errors.ts says enough where there is one with a
 * meaning; in messages, names, sizes and times, which differ each time, do not count.
 */
export function fingerprintOf({ kind, code, message }: Pick<News, 'kind' | 'code' | 'message'>): string {
  if (code !== undefined && code !== 'failed') return `${kind}: ${code}`;
  const words = message
    .replace(/[0-9A-Fa-f]*\d[0-9A-Fa-f]*/g, '#')
    .replace(/#(?:[\s.,:#-]|(?:ms|s|min|h|d|B|[KMGTP]iB)\b)*/g, '# ');
  return `${kind}: ${words.slice(0, 500)}`;
}
