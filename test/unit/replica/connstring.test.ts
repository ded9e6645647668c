import { describe, expect, it } from 'vitest';
import { listHosts, parseConnstring } from '../../../src/replica/connstring.ts';

describe('parseConnstring', () => {
  it.each<[string, Record<string, string>]>([
    ['', {}],
    ['host=db1', { host: 'db1' }],
    // As Patroni writes it (config.py, format_dsn).
    [
      "dbname=postgres user=replicator host=10.0.0.1 port=5432 sslmode=prefer application_name=a\\ b\\'c\\\\d",
      {
        dbname: 'postgres',
        user: 'replicator',
        host: '10.0.0.1',
        port: '5432',
        sslmode: 'prefer',
        application_name: "a b'c\\d",
      },
    ],
    [" host = 'two words'  port=1 ", { host: 'two words', port: '1' }],
    ["password='it\\'s \\\\ ok' user=u", { password: "it's \\ ok", user: 'u' }],
    ["password='' user=u", { password: '', user: 'u' }],
    ['user=a user=b', { user: 'b' }],
    ['postgresql://', {}],
    [
      'postgres://u:p%40ss@db1:5433/post%20gres?sslmode=require',
      {
        user: 'u',
        password: 'p@ss',
        host: 'db1',
        port: '5433',
        dbname: 'post gres',
        sslmode: 'require',
      },
    ],
    ['postgresql://db1:1,db2/x', { host: 'db1,db2', port: '1,5432', dbname: 'x' }],
    ['postgresql://[::1]:5433/x', { host: '::1', port: '5433', dbname: 'x' }],
    ['postgresql://%2Fvar%2Frun/x', { host: '/var/run', dbname: 'x' }],
    ['postgresql:///x?host=/tmp&port=99', { dbname: 'x', host: '/tmp', port: '99' }],
  ])('%j', (text, expected) => {
    expect(parseConnstring(text)).toEqual(expected);
  });

  it.each([
    'host',
    'host db1',
    '=x',
    "password='secret7Q",
    'postgresql://u:secret7Q@db1:x/y',
    'postgresql://db1/x?sslmode',
    'postgresql://db1/%zz',
  ])('refuses %j and does not repeat it', (text) => {
    expect(() => parseConnstring(text)).toThrow(/connection string/);
    expect(() => parseConnstring(text)).not.toThrow(/secret7Q/);
  });
});

describe('listHosts', () => {
  it.each<[string, { host: string | undefined; port: number | undefined }[]]>([
    ['', [{ host: undefined, port: undefined }]],
    ['host=a', [{ host: 'a', port: undefined }]],
    ['host=a port=1', [{ host: 'a', port: 1 }]],
    [
      'host=a,b port=1',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 1 },
      ],
    ],
    [
      'host=a,b port=1,2',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    ],
    ['host=a hostaddr=10.0.0.1', [{ host: '10.0.0.1', port: undefined }]],
  ])('%j', (text, expected) => {
    expect(listHosts(parseConnstring(text))).toEqual(expected);
  });

  it.each(['host=a port=x', 'host=a port=0', 'host=a port=65536', 'host=a,b,c port=1,2'])(
    'refuses %j',
    (text) => {
      expect(() => listHosts(parseConnstring(text))).toThrow(/connection string/);
    },
  );
});
