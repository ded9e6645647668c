import { type Environment, isForWalg } from './foreign.ts';
import type { Problem } from './resolve.ts';

/**
 * Variables that make WAL-G (its README, Encryption; STORAGES, S3) or WAL-E encrypt what they store. Others of the
 * kind only say how, and mean nothing without one of these.
 */
const ENCRYPTION = [
  'WALG_LIBSODIUM_KEY',
  'WALG_LIBSODIUM_KEY_PATH',
  'WALG_PGP_KEY',
  'WALG_PGP_KEY_PATH',
  'WALG_ENVELOPE_PGP_KEY',
  'WALG_ENVELOPE_PGP_KEY_PATH',
  'WALG_GPG_KEY_ID',
  'WALE_GPG_KEY_ID',
  'WALG_CSE_KMS_ID',
  'WALE_CSE_KMS_ID',
  'YC_CSE_KMS_KEY_ID',
  'WALG_S3_SSE_C',
  'WALE_S3_SSE_C',
] as const;

/** Read by WAL-G, too; without a store of WAL-G it is likely another program's. */
const BARE = ['S3_SSE_C'] as const;

/** pgarc does not encrypt: where another tool did, it must not store everything readable without a word. */
export function findForeignEncryption(environment: Environment): Problem[] {
  const names = isForWalg(environment) ? [...ENCRYPTION, ...BARE] : ENCRYPTION;
  return names
    .filter((name) => environment[name])
    .map((name) => ({
      name,
      message: `environment variable ${name}: pgarc does not encrypt with such a key and would store everything without`,
      hint: 'Unset it, let the store encrypt (s3-sse, s3-sse-kms-key-id), and set PGARC_STORE to a new prefix: pgarc cannot read what was encrypted with the key.',
    }));
}
