import { describe, expect, it } from 'vitest';
import { decodeName } from '../../../../src/backup/format/name-bytes.ts';
import {
  formatTablespaceMapFile,
  parseTablespaceMapFile,
} from '../../../../src/backup/format/tablespace-map.ts';

describe('tablespace_map', () => {
  it('survives odd paths', () => {
    const places: [string, string][] = [
      ['16384', '/plain dir'],
      ['16385', '/new\nline\\'],
    ];
    const file = formatTablespaceMapFile(places);
    expect(file.toString()).toBe('16384 /plain dir\n16385 /new\\\nline\\\\\n');
    expect([...parseTablespaceMapFile(file)]).toEqual(places);
  });

  it('keeps the bytes of a path that is not UTF-8', () => {
    const file = Buffer.from('16384 /caf\xe9/\\\\x\n', 'latin1');
    const places = parseTablespaceMapFile(file);
    expect(places.get('16384')).toBe(decodeName(Buffer.from('/caf\xe9/\\x', 'latin1')));
    expect(formatTablespaceMapFile(places)).toEqual(file);
  });
});
