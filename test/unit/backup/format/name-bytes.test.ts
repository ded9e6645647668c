import { describe, expect, it } from 'vitest';
import { decodeName, encodeName, hasRawBytes } from '../../../../src/backup/format/name-bytes.ts';

describe('decodeName and encodeName', () => {
  it.each(['base/1/112', 'größe', '日本 😀'])('leave %s as it is', (name) => {
    expect(decodeName(Buffer.from(name))).toBe(name);
    expect(encodeName(name)).toEqual(Buffer.from(name));
    expect(hasRawBytes(name)).toBe(false);
  });

  it.each(['e9', '61e9', 'c3', 'f09f98', 'c3a9ff62', 'eda080', '80f09f9880fe'])(
    'bring bytes %s through',
    (hex) => {
      const name = decodeName(Buffer.from(hex, 'hex'));
      expect(hasRawBytes(name)).toBe(true);
      expect(encodeName(name).toString('hex')).toBe(hex);
    },
  );
});
