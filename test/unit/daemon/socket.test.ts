import { chmod, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askAboutFile, askDaemon } from '../../../src/daemon/client.ts';
import { nameStore } from '../../../src/daemon/protocol.ts';
import {
  type DaemonRequest,
  type DaemonServer,
  type Route,
  startServer,
} from '../../../src/daemon/server.ts';
import { PgarcError } from '../../../src/errors.ts';
import { runProgram } from '../../support/run.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';
import { storeSettings } from '../store/settings.ts';

let spool: string;
let server: DaemonServer;
let asked: DaemonRequest[];
let answer: Route;
const { signal } = new AbortController();

beforeEach(async () => {
  spool = await makeTemporaryFolder('spool');
  asked = [];
  answer = async () => 'done';
  server = await startServer({
    socket: join(spool, 'daemon.sock'),
    store: nameStore(settings()),
    routes: new Map([
      [
        '/wal-push',
        (request) => {
          asked.push(request);
          return answer(request);
        },
      ],
    ]),
  });
});
afterEach(async () => {
  server.cut();
  await server.close();
});

const settings = (more = {}) => storeSettings({ store: 's3://bücket/prefix', spool, ...more });
const ask = (more = {}, body = '/pg/pg_wal/x') =>
  askDaemon(settings(more), { path: '/wal-push', body }, signal);

describe('the socket', () => {
  it('is this user’s alone, and passes any path on as it is', async () => {
    expect((await stat(join(spool, 'daemon.sock'))).mode & 0o777).toBe(0o600);
    const path = '/data with %41 "quotes"\nand ümläuts/pg_wal/x';
    expect(await ask({}, path)).toBe(true);
    expect(asked.map(({ body }) => body)).toEqual([path]);
  });

  it('says with a file which folder that is, and asks nothing about one that is nowhere', async () => {
    const file = join(spool, 'x');
    const { dev, ino } = await stat(spool, { bigint: true });
    expect(await askAboutFile(settings(), '/wal-push', file, signal)).toBe(true);
    expect(asked.map(({ body, folder }) => [body, folder])).toEqual([[file, `${dev}:${ino}`]]);
    expect(await askAboutFile(settings(), '/wal-push', '/nowhere/x', signal)).toBe(false);
    expect(asked).toHaveLength(1);
  });

  it('carries errors with code, message and hint', async () => {
    answer = async () => {
      throw new PgarcError('wal-conflict', 'other contents', { hint: 'Look.' });
    };
    await expect(ask()).rejects.toMatchObject({
      code: 'wal-conflict',
      message: 'other contents',
      hint: 'Look.',
    });
    answer = async () => {
      throw new TypeError('a bug');
    };
    await expect(ask()).rejects.toMatchObject({ code: 'failed', message: 'a bug' });
  });

  it('does not serve another store', async () => {
    for (const other of [{ store: 's3://other' }, { s3Endpoint: 'http://x' }, { s3Region: 'x' }]) {
      expect(await ask(other)).toBe(false);
    }
    answer = async () => 'not-served';
    expect(await ask()).toBe(false);
    expect(asked).toHaveLength(1);
  });

  it('speaks to curl in plain text, with the exit code in the status', async () => {
    answer = async () => {
      throw new PgarcError('store-unreachable', 'gone', { hint: 'Wait.' });
    };
    const curl = async (...args: string[]) => {
      const { stdout } = await runProgram(
        'curl',
        ['-s', '-w', '%{http_code}', '--unix-socket', join(spool, 'daemon.sock'), ...args],
        { asPostgres: false },
      );
      return stdout;
    };
    const url = 'http://daemon/wal-push';
    expect(await curl('--data-raw', '/x', url)).toBe('pgarc: gone\nhint: Wait.\n507');
    answer = async () => 'done';
    expect(await curl('--data-raw', '/x', url)).toBe('200');
    expect(await curl('--data-raw', '/x', '-H', 'pgarc-daemon: 1', url)).toBe('409');
    expect(await curl(url)).toMatch(/405$/);
    expect(await curl('--data-raw', 'x'.repeat(10_000), url)).toMatch(/413$/);
    expect(await curl('--data-raw', 'x', 'http://daemon/other')).toMatch(/404$/);
  });

  it('says 202 to who wants to wait no longer, and goes on', async () => {
    const work = Promise.withResolvers<'done'>();
    answer = () => work.promise;
    const curl = async () => {
      const args = ['-s', '-w', '%{http_code}', '--unix-socket', join(spool, 'daemon.sock')];
      const more = ['-H', 'prefer: wait=1', '--data-raw', '/x', 'http://daemon/wal-push'];
      return (await runProgram('curl', [...args, ...more], { asPostgres: false })).stdout;
    };
    expect(await curl()).toBe('202');
    const patient = askDaemon(settings(), { path: '/wal-push', body: '/x' }, signal);
    await waitFor(() => asked.length === 2);
    work.resolve('done');
    expect([await patient, await curl()]).toEqual([true, '200']);
  });

  it('keeps a failure for who was told to ask again', async () => {
    const work = Promise.withResolvers<'done'>();
    answer = () => work.promise;
    const curl = async () => {
      const args = ['-s', '-w', '%{http_code}', '--unix-socket', join(spool, 'daemon.sock')];
      const more = ['-H', 'prefer: wait=1', '--data-raw', '/x', 'http://daemon/wal-push'];
      return (await runProgram('curl', [...args, ...more], { asPostgres: false })).stdout;
    };
    expect(await curl()).toBe('202');
    work.reject(new PgarcError('store-unreachable', 'it does not answer'));
    answer = () => Promise.resolve('done');
    expect(await curl()).toMatch(/507$/);
    expect(await curl()).toBe('200');
  });

  it('keeps none that a client has heard who asked again: the next one asks for another attempt', async () => {
    const work = Promise.withResolvers<'done'>();
    answer = async () => work.promise;
    const args = ['-s', '-w', '%{http_code}', '--unix-socket', join(spool, 'daemon.sock')];
    const more = ['-H', 'prefer: wait=1', '--data-raw', '/pg/pg_wal/x', 'http://daemon/wal-push'];
    expect((await runProgram('curl', [...args, ...more], { asPostgres: false })).stdout).toBe('202');
    const patient = ask();
    await waitFor(() => asked.length === 2);
    work.reject(new PgarcError('store-unreachable', 'it does not answer'));
    await expect(patient).rejects.toMatchObject({ code: 'store-unreachable' });
    answer = async () => 'done';
    expect(await ask()).toBe(true);
  });

  it('is asked again by a client that hears 202', async () => {
    server.cut();
    await server.close();
    const answers = ['202 Accepted', '202 Accepted', '200 OK'];
    const other = createServer((socket) => {
      socket.once('data', () => socket.end(`HTTP/1.1 ${answers.shift()}\r\ncontent-length: 0\r\n\r\n`));
    });
    await new Promise<void>((resolve) => other.listen(join(spool, 'daemon.sock'), resolve));
    expect(await ask()).toBe(true);
    expect(answers).toEqual([]);
    await new Promise((resolve) => other.close(resolve));
  });

  it('that nobody answers on means no daemon', async () => {
    server.cut();
    await server.close();
    expect(await ask()).toBe(false);
    expect(await ask({ spool: '/nowhere' })).toBe(false);
    for (const garbage of [
      '',
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort',
      'SSH-2.0\r\n\r\n',
    ]) {
      const path = join(spool, 'daemon.sock');
      const other = createServer((socket) =>
        socket
          .resume()
          .end(garbage)
          .on('error', () => undefined),
      );
      await new Promise<void>((resolve) => other.listen(path, resolve));
      await chmod(path, 0o600);
      expect(await ask()).toBe(false);
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it('lets a client that is interrupted go', async () => {
    answer = () => new Promise(() => undefined);
    const interruption = new AbortController();
    const asking = askDaemon(settings(), { path: '/wal-push', body: '/x' }, interruption.signal);
    await waitFor(() => asked.length > 0);
    interruption.abort(new PgarcError('interrupted', 'by SIGTERM'));
    await expect(asking).rejects.toMatchObject({ code: 'interrupted' });
  });
});
