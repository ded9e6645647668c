import type { Command } from 'commander';
import type { Settings } from '../../src/config/settings.ts';
import { EXIT_WARNINGS, PgarcError } from '../../src/errors.ts';
import type { JobRecord } from '../../src/schedule/job-record.ts';
import { JOB_NAMES, type JobName } from '../../src/schedule/report.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: CliContext): void {
  describe(command, {
    description:
      'Lists the scheduled jobs: when they run, how the last run ended and how long it took, the next three runs in the time zone of the job, and which node runs them. `pgarc daemon` runs them; docs/schedule.md explains the settings.',
    examples: ['pgarc schedule', 'pgarc schedule --json', 'pgarc schedule run backup'],
  });
  command
    .usage('[options] [run <JOB>]')
    .option('--json', 'one JSON document; times RFC 3339 in UTC, durations ms')
    .action(async (options: Options) => {
      const settings = await context.loadSettings();
      const [{ readSchedule }, { openCluster }, { renderSchedule }] = await Promise.all([
        import('../../src/schedule/read-schedule.ts'),
        import('../../src/cluster/open.ts'),
        import('../schedule-report.ts'),
      ]);
      const cluster = openCluster(settings);
      try {
        const report = await readSchedule({ settings, cluster, emit: context.emit }, context.signal);
        if (options.json) context.printJson(report);
        else context.stdout.write(renderSchedule(report));
      } finally {
        cluster?.etcd.close();
      }
    });

  const run = command.command('run').summary('start a job now, in this process');
  describe(run, {
    description:
      'Runs a job now, in this process, under the locks the daemons use, and writes the run down as theirs. With etcd no other node runs it meanwhile. It is not tried again when it fails.',
    exitCodes: [3, 4, 6, 7, 8],
    examples: ['pgarc schedule run backup', 'pgarc schedule run retain --json'],
  });
  run
    .argument('<JOB>', JOB_NAMES.join(', '))
    .option('--json', 'one JSON document')
    .action(async (name: string, options: Options, self: Command) => {
      const job = JOB_NAMES.find((one) => one === name);
      if (job === undefined) {
        throw new PgarcError('usage', `there is no job "${name}"`, {
          hint: `The jobs are ${JOB_NAMES.join(', ')}.`,
        });
      }
      const record = await runNow(context, job);
      // --json stands before or after `run`.
      if (options.json || self.parent?.opts<Options>().json) context.printJson(record);
      else if (record.backup !== undefined) context.stdout.write(`${record.backup}\n`);
      if (record.state === 'warnings') context.setExitCode(EXIT_WARNINGS);
    });
}

async function runNow(context: CliContext, job: JobName): Promise<JobRecord> {
  const settings: Settings = await context.loadSettings();
  const [{ runByHand }, { openCluster }, { openEncoder }] = await Promise.all([
    import('../../src/schedule/run-by-hand.ts'),
    import('../../src/cluster/open.ts'),
    import('../../src/codec/codecs.ts'),
  ]);
  const store = await context.openStore(settings);
  const encoder = await openEncoder(settings.compressionMethod);
  const cluster = openCluster(settings, context.emit);
  try {
    return await runByHand({ settings, store, encoder, cluster, emit: context.emit }, job, context.signal);
  } finally {
    cluster?.etcd.close();
  }
}
