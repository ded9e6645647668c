import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { giveAway } from './unprivileged.ts';

/** A CA and what it signed, as PEM files. */
export interface EtcdCertificates {
  ca: string;
  clientCertificate: string;
  clientKey: string;
  /** A CA that signed nothing here. */
  otherCa: string;
  /** How etcd serves TLS and asks clients for a certificate. */
  serverArguments: string[];
  clientArguments: string[];
}

/** Makes a CA, a certificate for 127.0.0.1 and localhost, and one for clients. */
export async function makeEtcdCertificates(folder: string): Promise<EtcdCertificates> {
  const openssl = (args: string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  await mkdir(folder, { recursive: true });
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string) =>
    openssl([
      ...make,
      '-days',
      '2',
      '-subj',
      `/CN=pgarc test ${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    ]);
  const signed = (name: string, extra: string[]) =>
    openssl([
      ...[...make, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...['-CA', 'ca.pem', '-CAkey', 'ca.key', ...extra],
    ]);
  await authority('ca');
  await authority('other');
  await signed('server', ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']);
  await signed('client', []);
  for (const name of ['ca.pem', 'other.pem', 'server.pem', 'server.key', 'client.pem', 'client.key']) {
    await chmod(join(folder, name), 0o644);
    giveAway(join(folder, name));
  }
  const file = (name: string) => join(folder, name);
  const ca = file('ca.pem');
  return {
    ca,
    clientCertificate: file('client.pem'),
    clientKey: file('client.key'),
    otherCa: file('other.pem'),
    serverArguments: [
      ...['--cert-file', file('server.pem'), '--key-file', file('server.key')],
      ...['--trusted-ca-file', ca, '--client-cert-auth'],
    ],
    clientArguments: [`--cacert=${ca}`, `--cert=${file('client.pem')}`, `--key=${file('client.key')}`],
  };
}
