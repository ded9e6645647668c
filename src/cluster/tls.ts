import { readFileSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { messageOf, PgarcError } from '../errors.ts';

/** What TLS to etcd needs, as PEM. */
export interface TlsFiles {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

/** Reads the files that the settings name. @throws PgarcError `setting-invalid` */
export function readTlsFiles(
  settings: Pick<Settings, 'etcdCaFile' | 'etcdCertFile' | 'etcdKeyFile'>,
): TlsFiles {
  const { etcdCaFile, etcdCertFile, etcdKeyFile } = settings;
  if (etcdKeyFile !== undefined && etcdCertFile === undefined) {
    throw new PgarcError('setting-invalid', 'etcd-key-file is set and etcd-cert-file is not');
  }
  const files: TlsFiles = {};
  if (etcdCaFile !== undefined) files.ca = read('etcd-ca-file', etcdCaFile);
  if (etcdCertFile !== undefined) {
    files.cert = read('etcd-cert-file', etcdCertFile);
    // One file may hold both.
    files.key = etcdKeyFile === undefined ? files.cert : read('etcd-key-file', etcdKeyFile);
  }
  return files;
}

function read(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new PgarcError('setting-invalid', `${setting}: cannot read ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}
