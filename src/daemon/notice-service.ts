import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { readControlFile } from '../postgres/control-file.ts';
import { ArchiveWatch } from '../report/notices/archive-watch.ts';
import { Courier } from '../report/notices/courier.ts';
import { NoticeDesk } from '../report/notices/desk.ts';
import { readJobNews } from '../report/notices/job-news.ts';
import { readMemory, writeMemory } from '../report/notices/memory.ts';
import { type PingStep, pingAddress } from '../report/notices/ping.ts';
import { JOB_NAMES, type JobName } from '../schedule/report.ts';
import type { DaemonParts, DaemonService } from './services.ts';

export interface NoticeOptions {
  /** As ArchiveWatch's, ms. */
  patience?: number;
  /** As Courier's, ms. */
  deadline?: number;
  pauses?: readonly number[];
  /** How long the end of the daemon waits for notices that are not brought yet, ms. */
  stopLimit?: number;
}

const TICK = 1000;
/** In the spool: what the webhook was told. */
const MEMORY = 'notices.json';

/** Tells the webhook and the ping addresses of the settings how the scheduled jobs and the archiving go. */
export async function createNoticeService(
  { settings, spool, bus, deadline }: DaemonParts,
  { patience, stopLimit = 3000, ...options }: NoticeOptions = {},
): Promise<DaemonService> {
  const { webhookUrl, nodeName: node, scope } = settings;
  const pings = new Map<JobName, { url: string; courier: Courier }>();
  for (const job of JOB_NAMES) {
    const url = settings[`schedule${capitalize(job)}PingUrl`];
    const name = `the ping address of ${job}`;
    if (url !== undefined)
      pings.set(job, { url, courier: new Courier({ name, emit: bus.emit, ...options }) });
  }
  if (webhookUrl === undefined && pings.size === 0) return { stop: async () => undefined };

  const webhook = new Courier({ name: 'the webhook', emit: bus.emit, ...options });
  const couriers = [webhook, ...[...pings.values()].map(({ courier }) => courier)];
  const path = join(spool.folder, MEMORY);
  const memory = await readMemory(path);
  let saving: Promise<void> = Promise.resolve();
  // A job may end before the daemon has looked for its cluster.
  let cluster = settings.pgdata === undefined ? undefined : await readIdentifier(settings.pgdata);

  function save(): void {
    saving = saving
      .then(() => writeMemory(path, memory))
      .catch((error) => bus.emit({ type: 'warning', message: `cannot write ${path}: ${messageOf(error)}` }));
  }

  const desk =
    webhookUrl === undefined
      ? undefined
      : new NoticeDesk({
          webhook: webhookUrl,
          courier: webhook,
          memory,
          onChange: save,
          origin: () => ({ node, scope, cluster }),
        });
  const watch =
    desk === undefined
      ? undefined
      : new ArchiveWatch({
          noteTrouble: (news) => desk.noteTrouble(news),
          noteWell: (news) => desk.noteWell(news),
          ...(patience === undefined ? {} : { patience }),
        });

  function ping(job: JobName, step: PingStep): void {
    const target = pings.get(job);
    target?.courier.bring(() => ({ url: pingAddress(target.url, step) }));
  }

  const silence = bus.listen((event) => {
    watch?.hear(event);
    const told = readJobNews(event, new Date());
    if (told === undefined || !('job' in event)) return;
    if (told.ping !== undefined) ping(event.job, told.ping);
    if (told.news?.kind === 'recovered') desk?.noteWell(told.news);
    else if (told.news !== undefined) desk?.noteTrouble(told.news);
  });
  const timer = setInterval(() => watch?.tick(), TICK).unref();

  return {
    async clusterFound({ pgdata }) {
      cluster = await readIdentifier(pgdata);
    },
    /** Other parts may still have something to tell: only once the daemon's deadline is over it listens no more. */
    async stop() {
      clearInterval(timer);
      const isLast = deadline.aborted;
      await Promise.all(couriers.map((courier) => courier.settle(stopLimit)));
      if (isLast) {
        silence();
        await Promise.all(couriers.map((courier) => courier.close()));
      }
      await saving;
    },
  };
}

async function readIdentifier(pgdata: string): Promise<string | undefined> {
  const control = await readControlFile(pgdata).catch(() => undefined);
  return control?.systemIdentifier.toString();
}

function capitalize<Job extends JobName>(job: Job): Capitalize<Job> {
  return (job.charAt(0).toUpperCase() + job.slice(1)) as Capitalize<Job>;
}
