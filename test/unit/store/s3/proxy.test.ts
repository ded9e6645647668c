import { describe, expect, it, test } from 'vitest';
import { findProxy, readProxies } from '../../../../src/store/s3/proxy.ts';

const PROXY = { HTTPS_PROXY: 'http://proxy.example:3128' };

function find(environment: Record<string, string>, host: string, port = 443): string | undefined {
  return findProxy(readProxies(environment), 'https:', host, port)?.name;
}

test('without a variable there are no proxies to look for', () => {
  expect(readProxies({})).toBeUndefined();
  expect(readProxies({ HTTPS_PROXY: '', NO_PROXY: 'x' })).toBeUndefined();
});

describe('what the variable may hold', () => {
  it.each([
    ['http://proxy.example:3128', 'http://proxy.example:3128', undefined],
    ['proxy.example:3128', 'http://proxy.example:3128', undefined],
    ['https://proxy.example', 'https://proxy.example', undefined],
    ['http://joe:p%40ss@proxy.example:3128/', 'http://proxy.example:3128', 'joe:p@ss'],
    ['http://[2001:db8::1]:3128', 'http://[2001:db8::1]:3128', undefined],
  ])('%s', (value, name, user) => {
    const proxy = readProxies({ https_proxy: value })?.byProtocol['https:'];
    expect(proxy?.name).toBe(name);
    expect(proxy?.authorization).toBe(user && `Basic ${Buffer.from(user).toString('base64')}`);
  });

  it.each(['socks5://joe:pass@proxy.example:1080', 'http://', 'http://pro xy'])(
    '%s is told without its password, and not used',
    (value) => {
      const warnings: string[] = [];
      expect(readProxies({ HTTPS_PROXY: value }, (message) => warnings.push(message))).toBeUndefined();
      expect(warnings).toEqual([expect.stringMatching(/^HTTPS_PROXY (?!.*pass)/)]);
    },
  );
});

test('each protocol has its own', () => {
  const proxies = readProxies({ ...PROXY, http_proxy: 'plain.example' });
  expect(findProxy(proxies, 'https:', 'store.example', 443)?.name).toBe(PROXY.HTTPS_PROXY);
  expect(findProxy(proxies, 'http:', 'store.example', 80)?.name).toBe('http://plain.example');
  expect(findProxy(readProxies(PROXY), 'http:', 'store.example', 80)).toBeUndefined();
});

test.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1'])(
  '%s is never asked through one',
  (host) => {
    expect(find(PROXY, host)).toBeUndefined();
  },
);

test.each<[string, string, number, boolean]>([
  ['*', 'store.example', 443, true],
  ['other.example, store.example', 'store.example', 443, true],
  ['STORE.example', 'store.EXAMPLE', 443, true],
  ['example', 'bucket.store.example', 443, true],
  ['.example', 'store.example', 443, true],
  ['*.example', 'store.example', 443, true],
  ['ore.example', 'store.example', 443, false],
  ['store.example:443', 'store.example', 443, true],
  ['store.example:9000', 'store.example', 443, false],
  ['10.0.0.0/8', '10.20.30.40', 9000, true],
  ['10.0.0.0/8', '11.20.30.40', 9000, false],
  ['10.20.30.40', '10.20.30.40', 9000, true],
  ['10.20.30.40:9000', '10.20.30.40', 9000, true],
  ['2001:db8::/32', '2001:db8::7', 443, true],
  ['[2001:db8::7]:443', '2001:db8::7', 443, true],
  ['10.0.0.0/99,nonsense/8', '10.20.30.40', 9000, false],
  ['40', '10.20.30.40', 9000, false],
  ['', 'store.example', 443, false],
])('NO_PROXY %j and %s:%d', (list, host, port, isExcepted) => {
  expect(find({ ...PROXY, NO_PROXY: list }, host, port) === undefined).toBe(isExcepted);
  expect(find({ ...PROXY, no_proxy: list }, host, port) === undefined).toBe(isExcepted);
});
