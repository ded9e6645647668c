import { describe, expect, it } from 'vitest';
import { formatFilesMetadata, makeMetadata, makeSentinel } from '../../../../src/backup/push/documents.ts';
import { formatJson, parseJson } from '../../../../src/json.ts';

const facts = {
  startLsn: 0x2000028n,
  finishLsn: 0x2000100n,
  versionNumber: 150020,
  systemIdentifier: 7710593383332708988n,
  startTime: new Date('2026-11-21T12:00:31.230Z'),
  finishTime: new Date('2026-11-21T12:00:32.438Z'),
  hostname: 'h',
  dataDir: '/pg/data',
  permanent: true,
  uncompressedSize: 26893837,
  storedSize: 4736364,
  catalogSize: 27008381,
  tablespaces: [{ oid: '16384', location: '/ts1' }],
};

describe('documents', () => {
  it('writes the sentinel with whole integers', () => {
    const text = formatJson(makeSentinel(facts));
    expect(text).toContain('"LSN":33554472');
    expect(text).toContain('"SystemIdentifier":7710593383332708988');
    expect(parseJson(text)).toMatchObject({
      Spec: {
        base_prefix: '/pg/data',
        tablespaces: ['16384'],
        '16384': { loc: '/ts1', link: 'pg_tblspc/16384' },
      },
      Version: 2,
      IsPermanent: true,
      StartTime: '2026-11-21T12:00:31.230Z',
    });
  });

  it('has no Spec without tablespaces', () => {
    expect(makeSentinel({ ...facts, tablespaces: [] })).not.toHaveProperty('Spec');
  });

  it('writes metadata.json', () => {
    expect(formatJson(makeMetadata(facts))).toContain(
      '"start_lsn":33554472,"finish_lsn":33554688,"is_permanent":true',
    );
  });

  it('writes files_metadata.json of any length', () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => ({
      name: `/base/5/${index}`,
      size: 1,
      mode: 0o600,
      uid: 0,
      gid: 0,
      modifiedNs: 1763733072_000000001n,
      crc32c: 0,
    }));
    const members = entries.map(({ name }) => name);
    const pieces = [...formatFilesMetadata(entries, [{ name: 'part_001.tar.lz4', storedSize: 1, members }])];
    expect(pieces.length).toBeGreaterThan(2);
    const parsed = JSON.parse(Buffer.concat(pieces).toString());
    expect(Object.keys(parsed.Files)).toEqual(members);
    expect(parsed.Files['/base/5/0']).toEqual({
      IsIncremented: false,
      IsSkipped: false,
      MTime: '2025-11-21T13:51:12.000000001Z',
      UpdatesCount: 0,
    });
    expect(parsed.TarFileSets).toEqual({ 'part_001.tar.lz4': members });
    expect(parsed.DatabasesByNames).toEqual({});
  });
});
