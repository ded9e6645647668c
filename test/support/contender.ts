import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock, type ClusterLock } from '../../src/cluster/lock.ts';
import { isPgarcError, messageOf } from '../../src/errors.ts';
import { openTestClient } from './etcd-client.ts';

/**
 * A process that wants the lock of backups: `node contender.ts NAME FILE MODE`, with pgarc's settings in the
 * environment. Appends lines `begin|step|end|lost NAME` to the file. `loop`: takes the lock again and again, for a
 * few steps each; a step cannot be undone, so etcd is asked before it. `freeze`: the same, but stops itself
 * (SIGSTOP) after the third step. `hold`: takes it once and works until it is lost, without asking.
 */
const [name = '', file = '', mode = ''] = process.argv.slice(2);
const tell = (what: string) => appendFileSync(file, `${what} ${name}\n`);
const { etcd, keys, settings } = await openTestClient(process.env as Record<string, string>);
const signal = new AbortController().signal;
let isOver = false;
process.once('SIGTERM', () => {
  isOver = true;
});

async function work(lock: ClusterLock, steps: number): Promise<void> {
  tell('begin');
  try {
    for (let step = 1; step <= steps && !isOver; step++) {
      if (mode !== 'hold') await lock.assertHeld(signal);
      tell('step');
      // When it runs again it asks before any timer could tell it.
      if (mode === 'freeze' && step === 3) process.kill(process.pid, 'SIGSTOP');
      else await sleep(20, undefined, { signal: lock.lost });
    }
    tell('end');
  } catch (error) {
    // Whatever broke off: the lock counts as lost, or nobody knows.
    tell('lost');
    process.stderr.write(`${messageOf(lock.lost.aborted ? lock.lost.reason : error)}\n`);
  }
}

let isDone = false;
while (!isOver && !isDone) {
  try {
    const lock = await acquireLock({ etcd, keys, node: name }, 'backup', { ttl: settings.etcdLease }, signal);
    await work(lock, mode === 'loop' ? 4 : Number.POSITIVE_INFINITY);
    await lock.release();
    isDone = mode !== 'loop';
  } catch (error) {
    if (!isPgarcError(error, 'locked') && !isPgarcError(error, 'etcd-unreachable')) throw error;
    await sleep(20);
  }
}
etcd.close();
