import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { ScheduleReport } from '../../src/schedule/report.ts';
import { startDaemon } from '../support/daemon.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

let server: TestPostgres;
/** Settings of pgarc, straight to the store and through a proxy. */
let env: Record<string, string>;
let slowEnv: Record<string, string>;
let proxy: Awaited<ReturnType<typeof startFaultProxy>>;
let spool: string;

beforeAll(async () => {
  const minio = await startMinio();
  proxy = await startFaultProxy(minio.endpoint);
  spool = await makeTemporaryFolder('spool');
  server = await startPostgres({ archive: true, env: { ...minio.env('main'), PGARC_SPOOL: spool } });
  const own = { PGARC_SPOOL: spool, PGARC_NODE_NAME: 'here', PGARC_KEEP_FULL: '1', ...server.env };
  env = { ...minio.env('main'), ...own };
  slowEnv = { ...minio.env('main', proxy.endpoint), ...own };
});

async function readSchedule(more: Record<string, string> = {}): Promise<ScheduleReport> {
  const { stdout } = await mustRunPgarc(['schedule', '--json'], { env: { ...env, ...more } });
  return JSON.parse(stdout) as ScheduleReport;
}

async function countBackups(): Promise<number> {
  const { stdout } = await mustRunPgarc(['backup-list', '--json'], { env });
  return (JSON.parse(stdout) as { backups: unknown[] }).backups.length;
}

it('runs jobs by hand and lists how they ended', async () => {
  const before = await mustRunPgarc(['schedule'], { env });
  expect(before.stdout).toMatch(/^backup +- +- +never/m);
  expect(before.stdout).toContain('no daemon runs here, so nothing is started');

  const { stdout } = await mustRunPgarc(['schedule', 'run', 'backup'], { env });
  expect(stdout).toMatch(/^base_[0-9A-F]{24}\n$/);
  await mustRunPgarc(['schedule', 'run', 'backup'], { env });
  const verified = await mustRunPgarc(['schedule', 'run', 'verify', '--json'], { env });
  expect(JSON.parse(verified.stdout)).toMatchObject({
    job: 'verify',
    state: 'ok',
    node: 'here',
    byHand: true,
  });
  const retained = await mustRunPgarc(['schedule', 'run', 'retain', '--json'], { env });
  expect(JSON.parse(retained.stdout)).toMatchObject({ state: 'ok', deleted: { backups: 1 } });
  expect(await countBackups()).toBe(1);

  const cron = { PGARC_SCHEDULE_BACKUP_CRON: '30 2 * * *', PGARC_SCHEDULE_BACKUP_TIME_ZONE: 'Asia/Kolkata' };
  const report = await readSchedule(cron);
  expect(report).toMatchObject({ source: 'spool', etcd: 'none', node: 'here' });
  const [backup, retain] = report.jobs;
  expect(backup).toMatchObject({ cron: '30 2 * * *', last: { state: 'ok', attempt: 1, node: 'here' } });
  expect(backup!.next.map((time) => time.slice(11, 16))).toEqual(['21:00', '21:00', '21:00']);
  expect(backup!.last!.backup).toMatch(/^base_/);
  expect(retain!.last!.deleted).toMatchObject({ backups: 1 });
  const shown = await mustRunPgarc(['schedule'], { env: { ...env, ...cron } });
  expect(shown.stdout).toMatch(
    /^backup +30 2 \* \* \* +Asia\/Kolkata +ok \d{4}-\d\d-\d\d \d\d:\d\d +\S+ .*02:30, .*02:30, .*02:30$/m,
  );
});

it('refuses what cannot be, before anything starts', async () => {
  const cases: [Record<string, string>, string][] = [
    [{ PGARC_SCHEDULE_BACKUP_CRON: '0 0 30 2 *' }, 'schedule-backup-cron'],
    [{ PGARC_SCHEDULE_VERIFY_TIME_ZONE: 'Europe/Bielefeld' }, 'schedule-verify-time-zone'],
    [{ PGARC_SCHEDULE_RETAIN_CRON: '0 4 * * *', PGARC_KEEP_FULL: '' }, 'schedule-retain-cron'],
    [{ PGARC_SCHEDULE_RETAIN_CRON: '0 4 * * *', PGARC_KEEP_FULL: '0' }, 'keep-full'],
    [{ PGARC_KEEP_FULL: '0' }, 'keep-full'],
    [{ PGARC_SCHEDULE_BACKUP_CRON: '0 * * * *', PGARC_ETCD_ENDPOINTS: 'a:2379' }, 'scope'],
    [{ PGARC_ETCD_ENDPOINTS: 'a:2379', PGARC_SCOPE: 'main', PGARC_ETCD_USER: 'pgarc' }, 'etcd-password'],
    [{ PGARC_ETCD_ENDPOINTS: 'http://u:p@a:2379', PGARC_SCOPE: 'main' }, 'etcd-endpoints'],
    [
      { PGARC_SCHEDULE_BACKUP_CRON: '0 * * * *', PGARC_SCHEDULE_BACKUP_JITTER: '2h' },
      'schedule-backup-jitter',
    ],
  ];
  for (const [more, name] of cases) {
    for (const command of [['daemon'], ['schedule'], ['config', 'show']]) {
      const { code, stderr } = await runPgarc(command, { env: { ...env, ...more } });
      expect([code, stderr], `${command} ${name}`).toEqual([2, expect.stringContaining(name)]);
    }
  }
  const unknown = await runPgarc(['schedule', 'run', 'vacuum'], { env });
  expect(unknown.code).toBe(2);
  const idle = await runPgarc(['schedule', 'run', 'retain'], { env: { ...env, PGARC_KEEP_FULL: '' } });
  expect(idle.code).toBe(2);
  expect(idle.stderr).toContain('no rule of retention');
});

it('two processes of one host never run a job together, and a killed one is made up for', async () => {
  const held = Promise.withResolvers<void>();
  proxy.add({ method: 'PUT', path: /tar_partitions/, fault: { kind: 'hold', until: held.promise } });
  const before = await countBackups();
  const first = startPgarc(['schedule', 'run', 'backup'], { env: slowEnv });
  await waitFor(() => proxy.requests.some(({ path }) => path.includes('tar_partitions')), {
    what: 'an upload',
  });
  const second = await runPgarc(['schedule', 'run', 'backup'], { env });
  expect(second.code).toBe(6);
  expect(second.stderr).toContain(`running already on this host (pid ${first.child.pid})`);
  // And it is seen.
  const shown = await mustRunPgarc(['schedule'], { env });
  expect(shown.stdout).toContain('backup runs on here');
  first.child.kill('SIGKILL');
  await first.result;
  proxy.reset();
  held.resolve();
  expect(JSON.parse(await readFile(join(spool, 'schedule/backup.json'), 'utf8'))).toMatchObject({
    state: 'running',
  });

  // The daemon finds the free lock. What was asked for by hand is not tried again.
  const schedule = { PGARC_SCHEDULE_BACKUP_CRON: '0 0 29 2 *' };
  const daemon = await startDaemon({ ...env, ...schedule });
  await waitFor(() => daemon.stderr().includes('node here was lost while it ran'), { what: 'the loss' });
  const report = await readSchedule(schedule);
  expect(report).toMatchObject({ leader: 'here', isLeader: true });
  expect(report.jobs[0]).toMatchObject({ last: { state: 'failed', attempt: 1 } });
  expect(report.jobs[0]!.retryAt).toBeUndefined();
  expect((await daemon.stop()).code).toBe(0);
  expect(daemon.stderr()).not.toContain('jobStarted');
  expect(await countBackups()).toBe(before);
});

it('a daemon that is stopped in the midst of a job leaves nothing, and the next one goes on', async () => {
  const held = Promise.withResolvers<void>();
  proxy.reset();
  proxy.add({ method: 'PUT', path: /tar_partitions/, fault: { kind: 'hold', until: held.promise } });
  const before = await countBackups();
  // A run of yesterday, so that there is something to catch up on at once.
  const {
    byHand: _,
    settled: __,
    ...record
  } = JSON.parse(await readFile(join(spool, 'schedule/backup.json'), 'utf8'));
  const old = new Date(Date.now() - 3 * 86_400_000).toISOString();
  await server.tool('psql', ['-qc', 'checkpoint']);
  await writeFile(
    join(spool, 'schedule/backup.json'),
    JSON.stringify({ ...record, scheduledFor: old, startedAt: old }),
  );
  const schedule = { PGARC_SCHEDULE_BACKUP_CRON: '30 2 * * *', PGARC_SCHEDULE_BACKUP_CATCH_UP: 'true' };
  const first = await startDaemon({ ...slowEnv, ...schedule });
  await waitFor(() => proxy.requests.some(({ path }) => path.includes('tar_partitions')), {
    what: `an upload; the daemon says ${first.stderr()}`,
  });
  const running = await readSchedule(schedule);
  expect(running.jobs[0]!.running).toMatchObject({
    node: 'here',
    attempt: 1,
    progress: { phase: expect.any(String) },
  });
  const stopping = first.stop();
  await waitFor(() => first.stderr().includes('the daemon was stopped'), { what: 'the end of the job' });
  expect((await stopping).code).toBe(0);
  held.resolve();
  proxy.reset();
  expect(await countBackups()).toBe(before);

  const second = await startDaemon({ ...env, ...schedule });
  await waitFor(() => second.stderr().includes('jobFinished'), {
    timeout: 180_000,
    what: `the second attempt; the daemon says ${second.stderr()}`,
  });
  expect(second.stderr()).toMatch(/jobFinished .*attempt=2/);
  expect(await countBackups()).toBe(before + 1);
  await second.stop();
});
