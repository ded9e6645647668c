import { describe, expect, it } from 'vitest';
import {
  formatManifest,
  type ManifestSource,
  parseManifest,
} from '../../../../src/backup/format/manifest.ts';

const SOURCE: ManifestSource = {
  pgVersion: 150020,
  systemIdentifier: 7710593383332708988n,
  files: [
    { path: 'PG_VERSION', size: 3, modified: new Date('2026-11-21T12:00:31Z'), crc32c: 0x12345678 },
    {
      path: 'base/5/größe "x"',
      size: 2 ** 40,
      modified: new Date('2026-11-21T12:00:31.9Z'),
      crc32c: 0xffffffff,
    },
    { path: 'latin1-\uDCE9', size: 0, modified: new Date(0), crc32c: undefined },
  ],
  walRanges: [
    { timeline: 2, startLsn: 0x3000028n, endLsn: 0x1_0000_0000n },
    { timeline: 1, startLsn: 0x2000028n, endLsn: 0x3000028n },
  ],
};

function format(source: ManifestSource): Buffer {
  return Buffer.concat([...formatManifest(source)]);
}

describe('formatManifest', () => {
  it('spells version 1 as PostgreSQL does', () => {
    const lines = format(SOURCE).toString().split('\n');
    expect(lines.slice(0, -2)).toEqual([
      '{ "PostgreSQL-Backup-Manifest-Version": 1,',
      '"Files": [',
      '{ "Path": "PG_VERSION", "Size": 3, "Last-Modified": "2026-11-21 12:00:31 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "78563412" },',
      '{ "Path": "base/5/größe \\"x\\"", "Size": 1099511627776, "Last-Modified": "2026-11-21 12:00:31 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "ffffffff" },',
      '{ "Encoded-Path": "6c6174696e312de9", "Size": 0, "Last-Modified": "1970-01-01 00:00:00 GMT" }',
      '],',
      '"WAL-Ranges": [',
      '{ "Timeline": 2, "Start-LSN": "0/3000028", "End-LSN": "1/0" },',
      '{ "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/3000028" }',
      '],',
    ]);
    expect(lines.at(-2)).toMatch(/^"Manifest-Checksum": "[0-9a-f]{64}"}$/);
    expect(lines.at(-1)).toBe('');
  });

  it('adds the system identifier from PostgreSQL 17 on', () => {
    const text = format({ ...SOURCE, pgVersion: 170000 }).toString();
    expect(text.split('\n').slice(0, 2)).toEqual([
      '{ "PostgreSQL-Backup-Manifest-Version": 2,',
      '"System-Identifier": 7710593383332708988,',
    ]);
    expect(parseManifest(Buffer.from(text)).systemIdentifier).toBe(7710593383332708988n);
  });
});

describe('parseManifest', () => {
  it('reads what was written', () => {
    const manifest = parseManifest(format(SOURCE));
    expect(manifest.systemIdentifier).toBeUndefined();
    expect(manifest.walRanges).toEqual(SOURCE.walRanges);
    expect(manifest.files.map(({ path, size, crc32c }) => ({ path, size, crc32c }))).toEqual(
      [...SOURCE.files].map(({ path, size, crc32c }) => ({ path, size, crc32c })),
    );
    expect(manifest.files[1]?.modified.toISOString()).toBe('2026-11-21T12:00:31.000Z');
  });

  it('handles twenty thousand files in pieces', () => {
    const files = Array.from({ length: 20_000 }, (_, index) => ({
      path: `base/5/${index}`,
      size: 8192,
      modified: new Date(0),
      crc32c: index,
    }));
    const pieces = [...formatManifest({ ...SOURCE, files })];
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(300_000);
    const manifest = parseManifest(Buffer.concat(pieces));
    expect(manifest.files[19_999]).toEqual(files[19_999]);
  });

  it('refuses every changed byte and every truncation', () => {
    const bytes = format(SOURCE);
    for (let at = 0; at < bytes.length - 1; at++) {
      const bad = Buffer.from(bytes);
      bad[at]! ^= 0x01;
      expect(() => parseManifest(bad), `byte ${at}`).toThrow('backup manifest is damaged');
      expect(() => parseManifest(bytes.subarray(0, at)), `length ${at}`).toThrow(
        'backup manifest is damaged',
      );
    }
  });

  it.each(['', '{}', '[]', 'null', '\n\n'])('refuses %j', (text) => {
    expect(() => parseManifest(Buffer.from(text))).toThrow('backup manifest is damaged');
  });
});
