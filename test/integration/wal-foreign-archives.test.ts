import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { ROOT, type RunResult, runPgarc } from '../support/pgarc.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { makeSegment } from '../support/wal-segment.ts';

/** Archives that WAL-G and WAL-E began and pgarc goes on with. */

let store: string;
let data: string;

beforeEach(async () => {
  store = join(await makeTemporaryFolder(), 'store');
  data = await makeOwnedDirectory(join(await makeTemporaryFolder(), 'data'));
  await mkdir(join(data, 'pg_wal'));
});

function run(...args: string[]): Promise<RunResult> {
  const env = { PGARC_STORE: `file://${store}`, PGARC_SPOOL: join(data, 'spool') };
  return runPgarc(args, { cwd: data, env, asPostgres: false });
}

async function fetch(name: string): Promise<Buffer> {
  expect(await run('wal-fetch', name, 'pg_wal/RECOVERYXLOG')).toMatchObject({ code: 0, stdout: '' });
  return readFile(join(data, 'pg_wal/RECOVERYXLOG'));
}

async function push(name: string, bytes: Buffer): Promise<RunResult> {
  await writeFile(join(data, 'pg_wal', name), bytes);
  return run('wal-push', `pg_wal/${name}`);
}

describe("WAL-G's", () => {
  beforeEach(() => cp(join(ROOT, 'test/fixtures/walg-sample/store'), store, { recursive: true }));

  it('files are read as they were written', async () => {
    const keys = await readdir(join(store, 'wal_005'));
    expect(keys.length).toBeGreaterThan(4);
    for (const key of keys) {
      const plain = execFileSync('lz4', ['-dc', join(store, 'wal_005', key)], { maxBuffer: 2 ** 25 });
      expect((await fetch(key.replace(/\.lz4$/, ''))).equals(plain)).toBe(true);
    }
  });

  it('archive stays the cluster’s, and a segment offered again is not stored twice', async () => {
    const name = '000000010000000000000003';
    const bytes = await fetch(name);
    expect(await push(name, bytes)).toMatchObject({ code: 0 });
    const other = Buffer.from(bytes);
    other.writeUInt8(other.readUInt8(99_999) ^ 1, 99_999);
    expect(await push(name, other)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('differ from byte 99999 on'),
    });
    const stranger = makeSegment({ size: 2 ** 24, number: 77 });
    expect(await push(stranger.name, stranger.bytes)).toMatchObject({ code: 1 });
    const own = makeSegment({ size: 2 ** 24, number: 78, systemIdentifier: bytes.readBigUInt64LE(24) });
    expect(await push(own.name, own.bytes)).toMatchObject({ code: 0 });
  });
});

describe("WAL-E's and others'", () => {
  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['.lzo', (input) => execFileSync('lzop', ['-c'], { input, maxBuffer: 2 ** 25 })],
    ['.gz', (bytes) => gzipSync(bytes)],
    ['.zst', (input) => execFileSync('zstd', ['-c'], { input, maxBuffer: 2 ** 25 })],
    ['', (bytes) => bytes],
  ])('segments stored as "%s" are read, compared, and say whose archive it is', async (extension, pack) => {
    const { name, bytes } = makeSegment({ number: 5 });
    await mkdir(join(store, 'wal_005'), { recursive: true });
    await writeFile(join(store, 'wal_005', name + extension), pack(bytes));
    expect((await fetch(name)).equals(bytes)).toBe(true);
    const foreign = makeSegment({ number: 6, systemIdentifier: 42n });
    expect(await push(foreign.name, foreign.bytes)).toMatchObject({ code: 1 });
    expect(await push(name, bytes)).toMatchObject({ code: 0 });
    expect(await readdir(join(store, 'wal_005'))).toEqual([name + extension]);
    const next = makeSegment({ number: 6 });
    expect(await push(next.name, next.bytes)).toMatchObject({ code: 0 });
  });
});
