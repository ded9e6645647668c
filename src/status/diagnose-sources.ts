import { asAccount } from '../postgres/account.ts';
import { quoteForShell } from '../report/shell.ts';
import type { Trouble } from './diagnose.ts';
import type { StatusFacts } from './facts.ts';
import { answered } from './picture.ts';

/** What does not answer, and ought to. */
export function diagnoseSources(facts: StatusFacts): Trouble[] {
  return [
    ...diagnoseStore(facts),
    ...diagnosePostgres(facts),
    ...diagnoseEtcd(facts),
    ...diagnoseDaemon(facts),
  ];
}

function diagnoseStore({ store, backups }: StatusFacts): Trouble[] {
  if (store === undefined) {
    return [
      { subject: 'settings', message: 'no store is set: nothing is archived', command: 'pgarc config show' },
    ];
  }
  if (backups.state !== 'failed') return [];
  return [
    { subject: 'store', message: `${store} does not answer: ${backups.message}`, command: 'pgarc check' },
  ];
}

function diagnosePostgres({ postgres, files, pgdata, hasPatroni }: StatusFacts): Trouble[] {
  if (postgres.state !== 'failed') return [];
  const found = answered(files);
  if (found !== undefined && !found.hasPostmaster) {
    const start = asAccount(found.account, `pg_ctl -D ${quoteForShell(pgdata!)} start`);
    return [
      {
        subject: 'postgres',
        message: `no server runs on ${pgdata}, which is "${found.state}"`,
        // Patroni starts it, as what it is by now. A former leader that is started by hand may lead beside the new one.
        command: hasPatroni ? 'patronictl list' : start,
      },
    ];
  }
  const command = found === undefined ? 'pgarc config show' : 'pgarc check';
  return [{ subject: 'postgres', message: postgres.message, command }];
}

function diagnoseEtcd({ etcd, jobs }: StatusFacts): Trouble[] {
  if (etcd.state === 'failed') {
    return [
      {
        subject: 'etcd',
        message: `${etcd.message}: archiving goes on, scheduled jobs wait`,
        command: 'etcdctl endpoint status --cluster',
      },
    ];
  }
  if (etcd.state === 'none' || etcd.value.leader !== undefined || !isScheduled(jobs)) return [];
  const { members } = etcd.value;
  const unfit = members.filter(({ healthy }) => !healthy);
  const why =
    members.length === 0
      ? 'no daemon of the scope lives'
      : unfit.length === members.length
        ? unfit.map(({ node, reason }) => `${node}: ${reason ?? 'not fit'}`).join('; ')
        : 'none has taken it yet';
  return [
    {
      subject: 'etcd',
      message: `no node leads, so that no scheduled job runs: ${why}`,
      command: members.length === 0 ? 'pgarc daemon' : 'pgarc schedule',
    },
  ];
}

function diagnoseDaemon({ daemon, jobs, etcd }: StatusFacts): Trouble[] {
  if (daemon.state === 'failed') {
    return [
      {
        subject: 'daemon',
        message: `the daemon hangs: ${daemon.message}`,
        command: 'systemctl restart pgarc',
      },
    ];
  }
  if (daemon.state === 'none') {
    // Elsewhere somebody runs the jobs; alone, nobody does.
    const isNeeded = isScheduled(jobs) && answered(etcd)?.leader === undefined;
    if (!isNeeded || etcd.state === 'ok') return [];
    return [
      {
        subject: 'daemon',
        message: 'no daemon runs here, so that no scheduled job does',
        command: 'pgarc daemon',
      },
    ];
  }
  const { answers, pid, notReady } = daemon.value;
  if (!answers) {
    return [
      {
        subject: 'daemon',
        message: `the daemon (pid ${pid}) serves another store, or is of another version`,
        command: 'systemctl restart pgarc',
      },
    ];
  }
  return notReady.map((condition) => ({
    subject: 'daemon' as const,
    message: `the daemon is not ready: ${condition}`,
    command: 'pgarc check',
  }));
}

function isScheduled(jobs: StatusFacts['jobs']): boolean {
  return answered(jobs)?.jobs.some(({ cron }) => cron !== undefined) === true;
}
