import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  encodeTarHeader,
  readTar,
  safeMemberPath,
  TAR_END,
  type TarEntry,
  tarPadding,
} from '../../../../src/backup/format/tar.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgarc-tar-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FILE: TarEntry = {
  name: '/base/5/1259',
  type: 'file',
  size: 0,
  mode: 0o600,
  mtime: new Date('2026-11-21T12:00:31Z'),
  uid: 999,
  gid: 998,
};

interface Read {
  entry: TarEntry;
  text: string;
}

function member(entry: Partial<TarEntry>, body = ''): Buffer {
  const size = Buffer.byteLength(body);
  return Buffer.concat([
    encodeTarHeader({ ...FILE, ...entry, size }),
    Buffer.from(body),
    Buffer.alloc(tarPadding(size)),
  ]);
}

async function* chunks(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  // One buffer for all chunks, overwritten each time: views must not be kept.
  const shared = Buffer.alloc(length);
  for (let at = 0; at < bytes.length; at += length) {
    const copied = bytes.copy(shared, 0, at, at + length);
    yield shared.subarray(0, copied);
  }
}

async function read(bytes: Buffer, chunkLength = 4096): Promise<Read[]> {
  const members: Read[] = [];
  for await (const { entry, body } of readTar(chunks(bytes, chunkLength))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(Buffer.from(part));
    members.push({ entry, text: Buffer.concat(parts).toString('latin1') });
  }
  return members;
}

describe('encodeTarHeader and readTar', () => {
  it('bring every kind of member through, whatever the chunks are', async () => {
    const entries: Partial<TarEntry>[] = [
      { name: '/', type: 'directory', mode: 0o700 },
      { name: '/base/1/112' },
      { name: 'backup_label', mode: 0o600 },
      { name: `/${'d'.repeat(90)}/${'f'.repeat(60)}` },
      { name: `/${'n'.repeat(99)}` },
      { name: `/${'x'.repeat(300)}/y` },
      { name: '/größe/Ω' },
      { name: '/latin1-\uDCE9' },
      { name: '/link', type: 'symlink', linkName: `/srv/${'t'.repeat(200)}` },
      { name: '/early', mtime: new Date('1969-12-31T23:59:59Z'), uid: 4_000_000_000 },
    ];
    const archive = Buffer.concat([
      ...entries.map((entry) =>
        member(entry, entry.type === undefined ? `body of ${entry.name?.length}` : ''),
      ),
      TAR_END,
    ]);
    for (const length of [1, 511, 512, 513, 100_000]) {
      const result = await read(archive, length);
      expect(result.map((one) => one.entry.name)).toEqual(entries.map((entry) => entry.name));
      for (const [index, one] of result.entries()) {
        expect(one.entry).toMatchObject(entries[index]!);
        expect(one.text).toBe(
          entries[index]!.type === undefined ? `body of ${entries[index]!.name?.length}` : '',
        );
      }
    }
  });

  it('spell a plain header without extensions and a large size with one', () => {
    const plain = encodeTarHeader({ ...FILE, size: 8 * 1024 ** 3 - 1 });
    expect(plain.length).toBe(512);
    expect(plain.toString('latin1', 124, 136)).toBe('77777777777\0');
    const large = encodeTarHeader({ ...FILE, size: 8 * 1024 ** 3 });
    expect(large.length).toBe(3 * 512);
    expect(large.toString('latin1', 512, 531)).toBe('19 size=8589934592\n');
  });

  it('read sizes beyond 8 GiB, from PAX and from base-256', async () => {
    const size = 12 * 1024 ** 3;
    for (const header of [encodeTarHeader({ ...FILE, size }), base256Header(size)]) {
      const tar = readTar(chunks(Buffer.concat([header, Buffer.alloc(512)]), 512));
      const first = await tar.next();
      expect(first.value?.entry.size).toBe(size);
      await tar.return(undefined);
    }
  });

  it('skip bodies that were not read', async () => {
    const archive = Buffer.concat([member({}, 'a'.repeat(5000)), member({ name: '/b' }, 'bb'), TAR_END]);
    const names: string[] = [];
    for await (const { entry, body } of readTar(chunks(archive, 700))) {
      names.push(entry.name);
      for await (const _ of body) break;
    }
    expect(names).toEqual([FILE.name, '/b']);
  });

  it('may lack their end mark where the caller allows it, and only behind a whole member', async () => {
    const whole = Buffer.concat([member({}, 'a'.repeat(5000)), member({ name: '/b' }, 'bb')]);
    const read = async (bytes: Buffer, mayEndAfter: (name: string) => boolean) => {
      const names: string[] = [];
      for await (const { entry } of readTar(chunks(bytes, 700), ({ name }) => mayEndAfter(name)))
        names.push(entry.name);
      return names;
    };
    const padding = 510;
    expect(await read(whole, (name) => name === '/b')).toEqual([FILE.name, '/b']);
    expect(await read(whole.subarray(0, -padding), () => true)).toEqual([FILE.name, '/b']);
    expect(await read(Buffer.concat([whole, TAR_END]), () => true)).toEqual([FILE.name, '/b']);
    await expect(read(whole, (name) => name === FILE.name)).rejects.toThrow('tar is truncated');
    for (const cut of [1, padding - 1, padding + 1, padding + 2 + 1]) {
      await expect(
        read(whole.subarray(0, -cut), () => true),
        `without ${cut}`,
      ).rejects.toThrow(/truncated/);
    }
    await expect(read(Buffer.alloc(0), () => true)).rejects.toThrow('tar is truncated');
  });

  it('close the input when the reader stops early', async () => {
    let isClosed = false;
    async function* input(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield member({}, 'x');
      } finally {
        isClosed = true;
      }
    }
    for await (const _ of readTar(input())) break;
    expect(isClosed).toBe(true);
  });

  it('read many small members', async () => {
    const archive = Buffer.concat([
      ...Array.from({ length: 3000 }, () => member({}, 'x'.repeat(100))),
      TAR_END,
    ]);
    expect((await read(archive, 1 << 16)).length).toBe(3000);
  });
});

describe('readTar of what other tools wrote', () => {
  const source = join(folder, 'tree');
  const long = 'l'.repeat(120);
  mkdirSync(join(source, long), { recursive: true });
  writeFileSync(join(source, long, long), 'long');
  writeFileSync(join(source, 'small'), 'small');
  symlinkSync('t'.repeat(150), join(source, 'link'));

  for (const format of ['gnu', 'pax', 'ustar', 'v7', 'oldgnu']) {
    it(`reads GNU tar's ${format}`, async () => {
      const paths = format === 'v7' || format === 'ustar' ? ['./small'] : ['.'];
      const archive = execFileSync('tar', ['--format', format, '-C', source, '-cf', '-', ...paths]);
      const members = new Map((await read(archive)).map((one) => [one.entry.name, one]));
      expect(members.get('./small')?.text).toBe('small');
      if (paths[0] !== '.') return;
      expect(members.get(`./${long}/${long}`)?.text).toBe('long');
      expect(members.get(`./${long}/`)?.entry.type).toBe('directory');
      expect(members.get('./link')?.entry.linkName).toBe('t'.repeat(150));
    });
  }

  it('is read by GNU tar', () => {
    const name = `/größe/${'x'.repeat(200)}`;
    const archive = Buffer.concat([
      member({ name }, 'text'),
      member({ name: '/', type: 'directory' }),
      TAR_END,
    ]);
    const listed = execFileSync('tar', ['-P', '--quoting-style=literal', '-tf', '-'], { input: archive });
    expect(listed.toString()).toBe(`${name}\n/\n`);
  });
});

describe('readTar of bad archives', () => {
  const archive = Buffer.concat([
    member({ name: `/${'x'.repeat(300)}` }, 'a'.repeat(700)),
    member({}, 'b'),
    TAR_END,
  ]);

  it('refuses every truncation', async () => {
    for (let length = 0; length < archive.length; length += 64) {
      await expect(read(archive.subarray(0, length))).rejects.toMatchObject({ code: 'object-damaged' });
    }
  });

  it('refuses any flipped bit in a header', async () => {
    const plain = Buffer.concat([member({}, 'b'), TAR_END]);
    for (let at = 0; at < 512; at++) {
      // The checksum's own NUL and space carry nothing.
      if (at === 154 || at === 155) continue;
      const bad = Buffer.from(plain);
      bad[at]! ^= 0x01;
      await expect(read(bad), `byte ${at}`).rejects.toMatchObject({ code: 'object-damaged' });
    }
  });

  it.each([
    ['a missing end mark', Buffer.concat([member({}, 'b')])],
    ['half an end mark', Buffer.concat([member({}, 'b'), Buffer.alloc(512)])],
    ['a member after a zero block', Buffer.concat([Buffer.alloc(512), member({}, 'b'), TAR_END])],
    ['foreign bytes after the end', Buffer.concat([member({}, 'b'), TAR_END, Buffer.from('x')])],
    ['an endless extended header', Buffer.concat([encodeRaw('x', 1 << 30), Buffer.alloc(4096)])],
    [
      'malformed extended records',
      Buffer.concat([encodeRaw('x', 3), Buffer.alloc(512, '9'), member({}), TAR_END]),
    ],
    [
      'extended headers without a member',
      Buffer.concat([...Array(20).fill(encodeRaw('x', 0)), member({}), TAR_END]),
    ],
    ['an unknown type', Buffer.concat([encodeRaw('S', 0), TAR_END])],
  ])('refuses %s', async (_what, bytes) => {
    await expect(read(bytes)).rejects.toMatchObject({ code: 'object-damaged' });
  });

  it('accepts padding to a record after the end', async () => {
    expect(await read(Buffer.concat([member({}, 'b'), Buffer.alloc(10_240)]))).toHaveLength(1);
  });
});

describe('safeMemberPath', () => {
  it.each([
    ['/', ''],
    ['/base/1/112', 'base/1/112'],
    ['./base//1/', 'base/1'],
    ['backup_label', 'backup_label'],
    ['/a..b/..c', 'a..b/..c'],
  ])('places %s', (name, path) => expect(safeMemberPath(name)).toBe(path));

  it.each(['..', '/..', '/a/../../etc', 'a/..', 'a\0b'])('refuses %j', (name) => {
    expect(safeMemberPath(name)).toBeUndefined();
  });
});

function encodeRaw(typeFlag: string, size: number): Buffer {
  const header = encodeTarHeader({ ...FILE, size });
  header.write(typeFlag, 156, 'latin1');
  return withChecksum(header);
}

function base256Header(size: number): Buffer {
  const header = encodeTarHeader(FILE);
  header.fill(0, 124, 136);
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
  return withChecksum(header);
}

function withChecksum(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
