import { beforeAll, describe, expect, it } from 'vitest';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { makeLockLog } from '../support/lock-log.ts';
import { waitFor } from '../support/wait.ts';

let server: TestEtcd;

beforeAll(async () => {
  server = await startEtcd({ members: 3 });
});

/** A third of it is what a holder has to notice a loss in: enough on a busy machine. */
const env = (scope: string, endpoints?: string) => ({
  ...server.env(scope),
  PGARC_ETCD_LEASE: '12s',
  ...(endpoints === undefined ? {} : { PGARC_ETCD_ENDPOINTS: endpoints }),
});
const patience = { timeout: 120_000 };

describe.concurrent('a holder that cannot keep its lock', () => {
  it('stopped as a process: another takes over, and it does nothing more when it runs again', async () => {
    const log = await makeLockLog();
    const frozen = log.start('frozen', 'freeze', env('frozen'));
    await waitFor(() => log.lines().filter((line) => line === 'step frozen').length === 3, patience);
    const next = log.start('next', 'hold', env('frozen'));
    await waitFor(() => log.has('step next'), patience);
    frozen.child.kill('SIGCONT');
    expect((await frozen.result).stderr).toContain('the lock backup is lost');
    next.child.kill('SIGTERM');
    await next.result;
    const lines = log.lines();
    expect(lines.filter((line) => line === 'step frozen')).toHaveLength(3);
    expect(lines.indexOf('lost frozen')).toBeGreaterThan(lines.indexOf('begin next'));
  });

  it('cut off from etcd: it ends before another begins', async () => {
    const log = await makeLockLog();
    const proxy = await startFaultProxy(server.members[0]!.endpoint);
    const cut = log.start('cut', 'hold', env('cut', proxy.endpoint));
    await waitFor(() => log.has('step cut'), patience);
    const next = log.start('next', 'hold', env('cut'));
    await proxy.close();
    expect((await cut.result).stderr).toContain('the lock backup is lost');
    await waitFor(() => log.has('begin next'), patience);
    next.child.kill('SIGTERM');
    await next.result;
    expect(log.overlaps()).toEqual([]);
  });

  it('killed: another takes over when the lease has ended', async () => {
    const log = await makeLockLog();
    const killed = log.start('killed', 'hold', env('killed'));
    await waitFor(() => log.has('step killed'), patience);
    const next = log.start('next', 'hold', env('killed'));
    await log.kill('killed', killed);
    await waitFor(() => log.has('step next'), patience);
    next.child.kill('SIGTERM');
    await next.result;
    expect(log.overlaps()).toEqual([]);
  });
});

it('nobody ever holds it together, while processes and members of etcd die', async () => {
  const log = await makeLockLog();
  const names = ['a', 'b', 'c', 'd'];
  const contenders = new Map(names.map((name) => [name, log.start(name, 'loop', env('stress'))]));
  const begins = () => log.lines().filter((line) => line.startsWith('begin')).length;
  const more = async (count: number) => {
    const before = begins();
    await waitFor(() => begins() >= before + count, patience);
  };
  await more(10);

  // The one that holds it, while it does.
  const victim = await waitFor(() => /^step (\w+)$/.exec(log.lines().at(-1) ?? '')?.[1], patience);
  await log.kill(victim, contenders.get(victim)!);
  contenders.delete(victim);
  await more(5);

  const leader = await server.leader();
  await leader.kill();
  await more(5);
  await leader.start();

  const paused = await server.leader();
  paused.pause();
  await more(5);
  paused.resume();
  await more(5);

  await server.stop();
  await server.start();
  await more(5);

  for (const { child } of contenders.values()) child.kill('SIGTERM');
  const ends = await Promise.all([...contenders.values()].map(({ result }) => result));
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(log.overlaps()).toEqual([]);
  expect(new Set(log.lines().filter((line) => line.startsWith('begin'))).size).toBeGreaterThan(1);
});
