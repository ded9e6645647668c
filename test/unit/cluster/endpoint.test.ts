import { describe, expect, it } from 'vitest';
import { parseEndpoints } from '../../../src/cluster/endpoint.ts';

describe('an address of etcd', () => {
  it.each([
    ['db1:2379', false, 'http://db1:2379', 'db1', 2379],
    ['db1', false, 'http://db1:2379', 'db1', 2379],
    ['db1:4001', true, 'https://db1:4001', 'db1', 4001],
    ['http://db1:2379', true, 'http://db1:2379', 'db1', 2379],
    ['https://db1', false, 'https://db1:2379', 'db1', 2379],
    ['https://db1:443', false, 'https://db1:443', 'db1', 443],
    ['http://db1:80/', false, 'http://db1:80', 'db1', 80],
    ['10.0.0.1:2379', false, 'http://10.0.0.1:2379', '10.0.0.1', 2379],
    ['[::1]:2379', false, 'http://[::1]:2379', '::1', 2379],
  ])('%s', (item, withTls, name, host, port) => {
    expect(parseEndpoints([item], withTls)).toEqual([{ name, host, port, isTls: name.startsWith('https') }]);
  });

  it.each(['', 'ftp://db1', 'http://', 'db1:2379/v3', 'db1:99999', 'db 1', 'http://db1?x=1'])(
    'is not "%s"',
    (item) => {
      expect(() => parseEndpoints([item], false)).toThrow(/etcd-endpoints/);
    },
  );

  it('with a password is refused without telling it', () => {
    expect(() => parseEndpoints(['http://me:secret@db1:2379'], false)).toThrow(
      /^(?!.*secret).*etcd-endpoints/,
    );
  });
});
