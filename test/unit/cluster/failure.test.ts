import { describe, expect, it } from 'vitest';
import { describeFailure, describeSilence, readFailure } from '../../../src/cluster/failure.ts';

const body = (message: string, code: number) => JSON.stringify({ error: message, message, code });

describe('what etcd refuses', () => {
  // Status, answer and meaning as etcd 3.4.23 gives them.
  it.each([
    [429, body('etcdserver: mvcc: database space exceeded', 8), 'full'],
    [429, body('etcdserver: too many requests', 8), 'unreachable'],
    [403, body('etcdserver: permission denied', 7), 'denied'],
    [400, body('etcdserver: authentication failed, invalid user ID or password', 3), 'login'],
    [400, body('etcdserver: user name is empty', 3), 'token'],
    [401, body('etcdserver: invalid auth token', 16), 'token'],
    [400, body('auth: revision in header is old', 3), 'token'],
    [404, body('etcdserver: requested lease not found', 5), 'lease'],
    [400, body('etcdserver: request is too large', 3), 'refused'],
    [503, body('etcdserver: no leader', 14), 'unreachable'],
    [503, body('etcdserver: request timed out', 14), 'unreachable'],
    [200, JSON.stringify({ error: { grpc_code: 14, message: 'etcdserver: no leader' } }), 'unreachable'],
    [502, '<html>Bad Gateway</html>', 'unreachable'],
    [404, '404 page not found\n', 'refused'],
    [500, '', 'unreachable'],
  ])('%i %s is %s', (status, text, kind) => {
    expect(readFailure(status, text).kind).toBe(kind);
  });

  it('is told in its own words', () => {
    expect(readFailure(503, body('etcdserver: no leader', 14)).words).toBe('etcdserver: no leader');
    expect(readFailure(502, '').words).toBe('HTTP status 502');
    const error = describeFailure({ kind: 'full', words: 'no space' }, 'http://db1:2379', undefined);
    expect(error).toMatchObject({ code: 'etcd-unreachable', exitCode: 7, retryable: true });
    expect(error.message).toContain('http://db1:2379: no space');
    expect(describeFailure({ kind: 'login', words: 'no' }, 'x', 'me')).toMatchObject({ retryable: false });
    expect(describeFailure({ kind: 'lease', words: 'no' }, 'x', 'me')).toMatchObject({ code: 'failed' });
    expect(describeSilence(['a: refused', 'b: reset'], 'no quorum').message).toBe(
      'etcd is not reachable: no quorum; a: refused; b: reset',
    );
  });
});
