import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copySample, SAMPLE, SAMPLE_DELTA, SAMPLE_FULL } from '../integration/sample.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio, type TestMinio } from '../support/minio.ts';
import { mustRunPgarc, runPgarc, startPgarc } from '../support/pgarc.ts';
import { mustRun } from '../support/run.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const PART = new RegExp(`${SAMPLE_FULL}/tar_partitions/part_001`);

let minio: TestMinio;
let proxy: FaultProxy;
let env: Record<string, string>;
/** For what is to fail. */
const IMPATIENT = { PGARC_REQUEST_TIMEOUT: '3s', PGARC_STORE_TIMEOUT: '6s' };
const PATIENT = { PGARC_REQUEST_TIMEOUT: '10min', PGARC_STORE_TIMEOUT: '10min' };
beforeAll(async () => {
  minio = await startMinio();
  for (const entry of await readdir(SAMPLE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await minio.write(`sample/${relative(SAMPLE, path)}`, await readFile(path));
  }
  proxy = await startFaultProxy(minio.endpoint);
  env = minio.env('sample', proxy.endpoint);
});
beforeEach(() => proxy.reset());

async function makeTarget(): Promise<{ data: string; args: string[] }> {
  const folder = await makeTemporaryFolder('fetch');
  const data = join(folder, 'data');
  return { data, args: ['backup-fetch', data, SAMPLE_FULL, '--tablespace-root', join(folder, 'ts')] };
}

/** Nothing of a failed restore is left. */
function expectNothing(data: string): void {
  expect(existsSync(data)).toBe(false);
  expect(existsSync(join(data, '../ts'))).toBe(false);
}

describe('backup-fetch when the connection fails', () => {
  it('goes on where it was cut off', async () => {
    proxy.add({ path: PART, nth: 1, fault: { kind: 'reset-answer', afterBytes: 1_000_000 } });
    proxy.add({ path: PART, nth: 2, fault: { kind: 'truncate', afterBytes: 1_000_000 } });
    const { data, args } = await makeTarget();
    await mustRunPgarc(args, { env });
    expect(existsSync(join(data, 'global/pg_control'))).toBe(true);
  });

  it('gives up with 7 when the store falls silent, and leaves nothing', async () => {
    proxy.add({ path: PART, nth: 1, fault: { kind: 'stall', afterBytes: 1_000_000 } });
    proxy.add({ path: PART, fault: { kind: 'stall', afterBytes: 0 } });
    const { data, args } = await makeTarget();
    const result = await runPgarc(args, { env: { ...env, ...IMPATIENT } });
    expect(result.code, result.stderr).toBe(7);
    expectNothing(data);
  });

  it('gives up with 7 when the store answers 500, and leaves nothing', async () => {
    proxy.add({ path: PART, fault: { kind: 'respond', status: 500 } });
    const { data, args } = await makeTarget();
    const result = await runPgarc(args, { env: { ...env, ...IMPATIENT } });
    expect(result.code, result.stderr).toBe(7);
    expectNothing(data);
  });

  it('takes no shortened or altered answer for the object', async () => {
    for (const fault of [
      { kind: 'shorten', afterBytes: 2_000_000 },
      { kind: 'flip-answer', offset: 2_000_000 },
    ] as const) {
      proxy.reset();
      proxy.add({ path: PART, fault });
      const { data, args } = await makeTarget();
      const result = await runPgarc(args, { env: { ...env, ...IMPATIENT } });
      expect([7, 8], result.stderr).toContain(result.code);
      expect(result.stderr).toContain('part_001.tar.lz4');
      expectNothing(data);
    }
  });
});

describe('backup-fetch when it is ended', () => {
  async function untilHalf(data: string): Promise<void> {
    await waitFor(() => existsSync(join(data, 'PG_VERSION')), { what: 'the first files' });
  }

  it('by SIGINT it removes what it made', async () => {
    proxy.add({ path: PART, fault: { kind: 'stall', afterBytes: 2_000_000 } });
    const { data, args } = await makeTarget();
    const running = startPgarc(args, { env: { ...env, ...PATIENT } });
    await untilHalf(data);
    running.child.kill('SIGINT');
    expect((await running.result).code).toBe(75);
    expectNothing(data);
  });

  it('by SIGKILL it leaves a directory in which no server starts, and which it does not take again', async () => {
    proxy.add({ path: PART, fault: { kind: 'stall', afterBytes: 2_000_000 } });
    const { data, args } = await makeTarget();
    const running = startPgarc(args, { env: { ...env, ...PATIENT } });
    await untilHalf(data);
    running.child.kill('SIGKILL');
    await running.result;
    expect(existsSync(join(data, 'global/pg_control'))).toBe(false);
    proxy.reset();
    const again = await runPgarc(args, { env });
    expect(again.code, again.stderr).toBe(4);
    const [, command] = /(rm -r .*)$/m.exec(again.stderr) ?? [];
    expect(command).toBe(`rm -r ${data} ${join(data, '../ts/16384')}`);
    await mustRun('sh', ['-c', command!]);
    await mustRunPgarc(args, { env });
  });
});

describe('backup-fetch of objects that were mixed up', () => {
  it('refuses a part that belongs to another backup', async () => {
    const store = await copySample();
    const parts = (name: string) => join(store, `basebackups_005/${name}/tar_partitions`);
    await copyFile(
      join(parts(SAMPLE_DELTA), 'part_001.tar.lz4'),
      join(parts(SAMPLE_FULL), 'part_001.tar.lz4'),
    );
    const { data, args } = await makeTarget();
    const result = await runPgarc(args, { env: { PGARC_STORE: `file://${store}` } });
    expect(result.code, result.stderr).toBe(8);
    expect(result.stderr).toContain('part_001.tar.lz4');
    expectNothing(data);
  });

  it('refuses a delta whose parent is gone', async () => {
    const store = await copySample();
    const env = { PGARC_STORE: `file://${store}` };
    await rm(join(store, `basebackups_005/${SAMPLE_FULL}_backup_stop_sentinel.json`));
    const { data } = await makeTarget();
    const result = await runPgarc(['backup-fetch', data, SAMPLE_DELTA], { env });
    expect(result.code, result.stderr).toBe(8);
    expect(result.stderr).toContain(SAMPLE_FULL);
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });
});
