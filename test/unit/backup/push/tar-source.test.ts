import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { readTar } from '../../../../src/backup/format/tar.ts';
import type { PageCheck } from '../../../../src/backup/push/pages.ts';
import { TarSource } from '../../../../src/backup/push/tar-source.ts';
import type { WalkedEntry } from '../../../../src/backup/push/walk.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const CHUNK = 4 * 1024 * 1024;

let pgdata: string;
beforeEach(async () => {
  pgdata = await makeTemporaryFolder('data');
});

async function put(name: string, content: Buffer): Promise<WalkedEntry> {
  await mkdir(dirname(join(pgdata, name)), { recursive: true });
  await writeFile(join(pgdata, name), content);
  return entry(name, content.length);
}

function entry(name: string, size: number): WalkedEntry {
  return {
    name: `/${name}`,
    size,
    mode: 0o600,
    uid: 1,
    gid: 2,
    modifiedNs: 1763733072_123456789n,
    crc32c: 0,
  };
}

/** Packs files in chunks, and reads the tar back. `between` is called when a chunk is filled. */
async function pack(
  files: WalkedEntry[],
  pagesOf: () => PageCheck | undefined = () => undefined,
  between: () => Promise<void> = async () => undefined,
) {
  const packed: WalkedEntry[] = [];
  const torn: string[] = [];
  let resized = 0;
  const chunks: Buffer[] = [];
  const source = new TarSource({
    pgdata,
    directories: [{ ...entry('', 0), mode: 0o700 }],
    files,
    pagesOf,
    packed: (file) => packed.push(file),
    read: () => undefined,
    resized: (bytes) => {
      resized += bytes;
    },
    torn: ({ name }) => torn.push(name),
    signal: new AbortController().signal,
  });
  for (let done = false; !done; ) {
    const buffer = Buffer.allocUnsafe(CHUNK).fill(0xff);
    const filled = await source.fill(buffer);
    chunks.push(buffer.subarray(0, filled.length));
    done = filled.done;
    await between();
  }
  await source.close();
  const members = new Map<string, Buffer>();
  async function* input() {
    yield* chunks;
  }
  for await (const { entry: member, body } of readTar(input())) {
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(Buffer.from(piece));
    members.set(member.name, Buffer.concat(pieces));
  }
  return { packed, members, torn, resized };
}

describe('TarSource', () => {
  it('packs files of all sizes with their checksums', async () => {
    const contents = [0, 1, 511, 512, 8192, 256 * 1024, 256 * 1024 + 1, CHUNK, 2 * CHUNK + 12345];
    const files: WalkedEntry[] = [];
    for (const size of contents) files.push(await put(`base/5/${size}`, randomBytes(size)));
    for (const size of contents) files.push(await put(`f${size}`, randomBytes(size)));
    const { packed, members } = await pack(files);
    expect([...members.keys()]).toEqual(['/', ...files.map(({ name }) => name)]);
    expect(packed.map(({ name, crc32c: crc }) => [name, crc >>> 0])).toEqual(
      files.map(({ name }) => [name, crc32c(members.get(name)!)]),
    );
    expect(packed.map(({ size }) => size)).toEqual([...contents, ...contents]);
  });

  it('leaves out what vanished, pads a relation that shrank and cuts one that grew', async () => {
    const big = CHUNK + 100;
    const gone = await put('base/5/1', randomBytes(100));
    const goneBig = await put('base/5/2', randomBytes(big));
    const shrunk = await put('base/5/3_fsm', Buffer.alloc(100, 1));
    const shrunkBig = await put('base/5/4', Buffer.alloc(big, 1));
    const grown = { ...(await put('global/5', Buffer.alloc(100, 1))), size: 50 };
    const grownBig = { ...(await put('pg_xact/0000', Buffer.alloc(big, 1))), size: big - 50 };
    await rm(join(pgdata, 'base/5/1'));
    await rm(join(pgdata, 'base/5/2'));
    await truncate(join(pgdata, 'base/5/3_fsm'), 10);
    await truncate(join(pgdata, 'base/5/4'), 10);

    const { packed, members } = await pack([gone, goneBig, shrunk, shrunkBig, grown, grownBig]);
    expect([...members.keys()]).toEqual(['/', '/base/5/3_fsm', '/base/5/4', '/global/5', '/pg_xact/0000']);
    expect(members.get('/base/5/3_fsm')).toEqual(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(90)]));
    expect(
      members.get('/base/5/4')!.equals(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(big - 10)])),
    ).toBe(true);
    expect(members.get('/global/5')).toHaveLength(50);
    expect(members.get('/pg_xact/0000')).toHaveLength(big - 50);
    for (const { name, crc32c: crc } of packed) expect(crc >>> 0).toBe(crc32c(members.get(name)!));
  });

  it('takes a changed configuration file as it is now', async () => {
    const shrunk = await put('postgresql.auto.conf', Buffer.from("work_mem = '1GB'\nport = 5433\n"));
    const grown = await put('postgresql.conf', Buffer.from('a = 1\n'));
    const filled = await put('pg_ident.conf', Buffer.alloc(0));
    const emptied = await put('my.conf', Buffer.from('a = 1\n'));
    // As ALTER SYSTEM does it, and as an editor may.
    await writeFile(join(pgdata, 'new'), 'port = 5433\n');
    await rename(join(pgdata, 'new'), join(pgdata, 'postgresql.auto.conf'));
    await writeFile(join(pgdata, 'postgresql.conf'), 'a = 1\nb = 2\n', { mode: 0o644 });
    await writeFile(join(pgdata, 'pg_ident.conf'), 'x\n');
    await writeFile(join(pgdata, 'my.conf'), '');

    const files = [shrunk, grown, filled, emptied];
    const before = files.map(({ size }) => size);
    const { packed, members, resized } = await pack(files);
    const text = (name: string) => members.get(name)!.toString();
    expect(text('/postgresql.auto.conf')).toBe('port = 5433\n');
    expect(text('/postgresql.conf')).toBe('a = 1\nb = 2\n');
    expect(text('/pg_ident.conf')).toBe('x\n');
    expect(text('/my.conf')).toBe('');
    for (const { name, size, crc32c: crc, modifiedNs } of packed) {
      expect([size, crc >>> 0]).toEqual([members.get(name)!.length, crc32c(members.get(name)!)]);
      expect(Number(modifiedNs / 1_000_000n)).toBeGreaterThan(Date.now() - 3_600_000);
    }
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
    expect(resized).toBe(sum(packed.map(({ size }) => size)) - sum(before));
  });

  it('waits for the end of a configuration file that is being written', async () => {
    const file = await put('postgresql.conf', Buffer.from('a = 1\nb = 2\n'));
    const path = join(pgdata, 'postgresql.conf');
    await writeFile(path, 'a = 1\n');
    // However loaded the machine: it was written a moment ago.
    vi.setSystemTime((await stat(path)).mtime);
    setTimeout(() => appendFileSync(path, 'b = 3\n'), 10);
    try {
      expect((await pack([file])).members.get('/postgresql.conf')!.toString()).toBe('a = 1\nb = 3\n');
    } finally {
      vi.useRealTimers();
    }
  });

  it('finds room for one that has outgrown its chunk, and takes a large one as long as it is now', async () => {
    // Leaves little room in the first chunk.
    const first = await put('base/5/16384', randomBytes(CHUNK - 4096));
    const conf = await put('pg_hba.conf', Buffer.from('x\n'));
    const log = await put('log/a.log', Buffer.from('line\n'));
    const contents = [Buffer.alloc(200_000, 'h'), Buffer.alloc(CHUNK + 5, 'l')];
    await writeFile(join(pgdata, 'pg_hba.conf'), contents[0]!);
    await writeFile(join(pgdata, 'log/a.log'), contents[1]!);
    const { packed, members, torn } = await pack([first, conf, log]);
    expect(members.get('/pg_hba.conf')!.equals(contents[0]!)).toBe(true);
    expect(members.get('/log/a.log')!.equals(contents[1]!)).toBe(true);
    expect(packed.map(({ size }) => size)).toEqual([first.size, 200_000, CHUNK + 5]);
    expect(torn).toEqual([]);
  });

  it('tells of a large file that is cut while it is read', async () => {
    const log = await put('log/a.log', Buffer.alloc(3 * CHUNK, 'l'));
    const { members, torn } = await pack([log], undefined, () => truncate(join(pgdata, 'log/a.log'), 10));
    expect(members.get('/log/a.log')).toHaveLength(3 * CHUNK);
    expect(torn).toEqual(['/log/a.log']);
  });

  it('never cuts a page that is checked at the end of a chunk', async () => {
    const file = await put('base/5/16384', randomBytes(3 * CHUNK));
    const seen: { length: number; position: number }[] = [];
    const check: PageCheck = {
      pageSize: 8192,
      hasBadPages(target, position) {
        seen.push({ length: target.length, position });
        return false;
      },
      settle: async () => undefined,
    };
    const { members } = await pack([file], () => check);
    expect(members.get('/base/5/16384')).toHaveLength(3 * CHUNK);
    expect(seen.length).toBeGreaterThan(3);
    for (const { length, position } of seen) expect([length % 8192, position % 8192]).toEqual([0, 0]);
  });

  it('says which file it cannot read', async () => {
    await mkdir(join(pgdata, 'folder'));
    await expect(pack([entry('folder', 100)])).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining(`${pgdata}/folder`),
    });
  });

  it('takes what a page check puts into the place of a torn page', async () => {
    const file = await put('base/5/16384', Buffer.alloc(16384, 1));
    const check: PageCheck = {
      pageSize: 8192,
      hasBadPages: () => true,
      async settle(_name, target) {
        target.fill(2, 0, 8192);
      },
    };
    const { packed, members } = await pack([file], () => check);
    expect(members.get('/base/5/16384')!.subarray(0, 8192)).toEqual(Buffer.alloc(8192, 2));
    expect(packed[0]!.crc32c >>> 0).toBe(crc32c(members.get('/base/5/16384')!));
  });
});
