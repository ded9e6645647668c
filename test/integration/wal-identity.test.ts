import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readControlFile } from '../../src/postgres/control-file.ts';
import { type RunResult, runPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { makeSegment } from '../support/wal-segment.ts';

/** Two clusters with settings that name the same archive, as after a copy of a configuration. */

const HISTORY = '1\t0/3000000\tno recovery target specified\n';

interface Cluster {
  dataDir: string;
  systemIdentifier: bigint;
  env: Record<string, string>;
  push(name: string, bytes: Uint8Array | string): Promise<RunResult>;
  fetch(name: string): Promise<RunResult>;
}

let store: string;
let owner: Cluster;
let stranger: Cluster;

beforeAll(async () => {
  store = await makeTemporaryFolder('store');
  [owner, stranger] = await Promise.all([makeCluster(), makeCluster()]);
  const { name, bytes } = makeSegment({ size: 2 ** 24, systemIdentifier: owner.systemIdentifier });
  expect(await owner.push(name, bytes)).toMatchObject({ code: 0 });
  expect(await owner.push('00000002.history', HISTORY)).toMatchObject({ code: 0 });
});

async function makeCluster(): Promise<Cluster> {
  const { dataDir } = await startPostgres({ start: false });
  const env = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: await makeTemporaryFolder('spool') };
  const { uid, gid } = await stat(dataDir);
  return {
    dataDir,
    env,
    systemIdentifier: (await readControlFile(dataDir)).systemIdentifier,
    async push(name, bytes) {
      await writeFile(join(dataDir, 'pg_wal', name), bytes);
      await chown(join(dataDir, 'pg_wal', name), uid, gid);
      return runPgarc(['wal-push', `pg_wal/${name}`], { cwd: dataDir, env });
    },
    fetch: (name) => runPgarc(['wal-fetch', name, 'pg_wal/RECOVERYXLOG'], { cwd: dataDir, env }),
  };
}

describe('a cluster that is not the one of the archive', () => {
  it('stores neither segments nor history files', async () => {
    const foreign = makeSegment({ size: 2 ** 24, number: 9, systemIdentifier: stranger.systemIdentifier });
    for (const [name, bytes] of [
      [foreign.name, foreign.bytes],
      ['00000003.history', HISTORY],
    ] as const) {
      expect(await stranger.push(name, bytes)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(
          `${owner.systemIdentifier}, and this one has ${stranger.systemIdentifier}`,
        ),
      });
      expect(await owner.fetch(name)).toMatchObject({ code: 74 });
    }
  });

  it('is given neither segments nor history files', async () => {
    for (const name of [makeSegment({ size: 2 ** 24 }).name, '00000002.history']) {
      expect(await stranger.fetch(name)).toMatchObject({
        code: 255,
        stderr: expect.stringContaining(`this one has ${stranger.systemIdentifier}`),
      });
      expect(await owner.fetch(name)).toMatchObject({ code: 0 });
    }
  });

  it('is not given segments of another size', async () => {
    const small = makeSegment({ size: 2 ** 20, number: 20, systemIdentifier: owner.systemIdentifier });
    expect(await owner.push(small.name, small.bytes)).toMatchObject({ code: 0 });
    expect(await owner.fetch(small.name)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining("this cluster's segments have 16777216"),
    });
  });
});
