import { describe, expect, it } from 'vitest';
import { chooseTls } from '../../../src/postgres/tls.ts';

const none = {
  pgSslmode: undefined,
  pgSslrootcert: undefined,
  pgSslcert: undefined,
  pgSslkey: undefined,
} as const;

describe('chooseTls', () => {
  it('never encrypts a socket', async () => {
    expect(await chooseTls({ ...none, pgSslmode: 'verify-full' }, '/run/pg')).toEqual([false]);
  });

  it('tries with and without, in the order of libpq', async () => {
    expect(await chooseTls(none, 'db')).toEqual([{ rejectUnauthorized: false }, false]);
    expect(await chooseTls({ ...none, pgSslmode: 'allow' }, 'db')).toEqual([
      false,
      { rejectUnauthorized: false },
    ]);
  });

  it('verifies the name with verify-full only', async () => {
    const [full] = await chooseTls({ ...none, pgSslmode: 'verify-full' }, 'db');
    expect(full).toEqual({ rejectUnauthorized: true });
    const [ca] = await chooseTls({ ...none, pgSslmode: 'verify-ca' }, 'db');
    expect(ca).toMatchObject({ rejectUnauthorized: true, checkServerIdentity: expect.any(Function) });
  });

  it('names a certificate that cannot be read', async () => {
    await expect(chooseTls({ ...none, pgSslmode: 'require', pgSslrootcert: '/nope' }, 'db')).rejects.toThrow(
      '/nope',
    );
  });
});
