import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { Settings } from '../config/settings.ts';
import { messageOf, PgarcError } from '../errors.ts';

export type TlsSettings = Pick<Settings, 'pgSslmode' | 'pgSslrootcert' | 'pgSslcert' | 'pgSslkey'>;

/** How to talk to the server: TLS options, or false for none; in the order they are to be tried. */
export type TlsChoice = ConnectionOptions | false;

/**
 * Turns libpq's sslmode into the connections to try (PostgreSQL: "SSL Support", table of sslmode). A socket
 * never uses TLS.
 */
export async function chooseTls(settings: TlsSettings, host: string): Promise<TlsChoice[]> {
  const mode = settings.pgSslmode ?? 'prefer';
  if (mode === 'disable' || host.startsWith('/')) return [false];
  const own: ConnectionOptions = {};
  if (settings.pgSslcert !== undefined) own.cert = await load(settings.pgSslcert);
  if (settings.pgSslkey !== undefined) own.key = await load(settings.pgSslkey);
  const unverified = { ...own, rejectUnauthorized: false };
  if (mode === 'prefer') return [unverified, false];
  if (mode === 'allow') return [false, unverified];
  const root = settings.pgSslrootcert;
  // With a root certificate at hand `require` verifies it, as libpq does.
  if (mode === 'require' && root === undefined) return [unverified];
  const verified: ConnectionOptions = { ...own, rejectUnauthorized: true };
  if (root !== undefined && root !== 'system') verified.ca = await load(root);
  if (mode !== 'verify-full') verified.checkServerIdentity = () => undefined;
  return [verified];
}

async function load(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new PgarcError('setting-invalid', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
