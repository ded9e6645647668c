import { describe, expect, it } from 'vitest';
import { describeUnreachable } from '../../../src/postgres/connection-failure.ts';

function fail(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

describe('describeUnreachable', () => {
  const address = { host: '/run', port: 5432 };

  it.each([
    ['28P01', 'password authentication failed', /^Allow user "me"/],
    ['3D000', 'database "x" does not exist', /PGDATABASE/],
    ['53300', 'remaining connection slots are reserved', /max_connections/],
    ['57P03', 'the database system is starting up', /^It starts.* wait/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', /PGSSLROOTCERT/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames", /PGSSLROOTCERT/],
    ['ECONNREFUSED', 'connect ECONNREFUSED', /^Start the server/],
  ])('knows what helps with %s', (code, message, hint) => {
    const error = describeUnreachable(fail(code, message), address, 'me');
    expect(error).toMatchObject({ code: 'postgres-unreachable', hint: expect.stringMatching(hint) });
    expect(error.message).toBe(`cannot connect to PostgreSQL at /run/.s.PGSQL.5432 as user "me": ${message}`);
  });

  it('does not pass advice on that is meant for a program of Node', () => {
    const words =
      'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca';
    const { message } = describeUnreachable(fail('DEPTH_ZERO_SELF_SIGNED_CERT', words), address, 'me');
    expect(message).toMatch(/: self-signed certificate$/);
  });
});
