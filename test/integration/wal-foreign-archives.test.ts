import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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

it('a bit turned over in an object without a checksum is found by the records in it', async () => {
  const folder = join(store, 'wal_005');
  await mkdir(folder, { recursive: true });
  const sample = join(ROOT, 'test/fixtures/walg-sample/store/wal_005');
  const [name, next] = ['000000010000000000000003', '000000010000000000000004'];
  const plain = execFileSync('lz4', ['-dc', join(sample, `${name}.lz4`)], { maxBuffer: 2 ** 25 });
  const flipped = Buffer.from(plain);
  flipped.writeUInt8(flipped.readUInt8(300) ^ 1, 300);
  for (const [extension, pack] of [
    ['', (bytes: Buffer) => bytes],
    ['.zst', (input: Buffer) => execFileSync('zstd', ['-c', '--no-check'], { input, maxBuffer: 2 ** 25 })],
    ['.lz4', (input: Buffer) => execFileSync('lz4', ['-c', '--no-frame-crc'], { input, maxBuffer: 2 ** 25 })],
  ] as const) {
    await writeFile(join(folder, name + extension), pack(plain));
    await cp(join(sample, `${next}.lz4`), join(folder, `${next}.lz4`));
    expect((await fetch(name)).equals(plain)).toBe(true);
    await writeFile(join(folder, name + extension), pack(flipped));
    expect(await run('wal-fetch', name, 'pg_wal/RECOVERYXLOG')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('no valid record follows'),
    });
    // As the last segment of all it may end early.
    await rm(join(folder, `${next}.lz4`));
    expect(await run('wal-fetch', name, 'pg_wal/RECOVERYXLOG')).toMatchObject({ code: 0 });
    await rm(join(folder, name + extension));
  }
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
