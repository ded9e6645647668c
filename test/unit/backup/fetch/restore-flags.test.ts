import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { chooseRestoreFlags } from '../../../../src/backup/fetch/restore-flags.ts';
import { resolveSettings, type Sources } from '../../../../src/config/resolve.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const SECRET = 'secret-7Q2Z';
const S3 = { PGARC_STORE: 's3://bkt/p', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: SECRET };

function choose(sources: Partial<Sources>, envdir?: string) {
  const facts = { processors: 2, defaultSpool: '/spool', hostname: 'node-1' };
  const none = { flags: {}, environment: {}, file: undefined, facts, readSecretFile: () => SECRET };
  return chooseRestoreFlags(resolveSettings({ ...none, ...sources }), envdir);
}

it('hands on what the server cannot know, without defaults and without secrets', () => {
  const { flags, secrets } = choose({
    environment: { ...S3, AWS_ENDPOINT: 'https://h:9000', PGARC_FETCH_TIMEOUT: '3s', PGARC_PG_HOST: '/s' },
  });
  expect(flags).toEqual(['--store=s3://bkt/p', '--fetch-timeout=3s', '--s3-endpoint=https://h:9000']);
  expect(secrets).toEqual(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);
});

it('names the variable of a secret that came by a file or a flag', () => {
  const byFile = choose({ environment: { PGARC_STORE: 's3://bkt/p', AWS_SECRET_ACCESS_KEY_FILE: '/run/s' } });
  expect(byFile.secrets).toEqual(['AWS_SECRET_ACCESS_KEY_FILE']);
  const byFlag = choose({ flags: { store: 's3://bkt/p', awsSecretAccessKey: SECRET } });
  expect(byFlag).toEqual({ flags: ['--store=s3://bkt/p'], secrets: ['PGARC_AWS_SECRET_ACCESS_KEY'] });
});

it('names a settings file and an envdir, absolutely, instead of what they hold', async () => {
  const file = { path: 'etc/p.yaml', values: { store: 's3://bkt/p', 'aws-secret-access-key': SECRET } };
  expect(choose({ file })).toEqual({ flags: [`--config=${process.cwd()}/etc/p.yaml`], secrets: [] });
  const envdir = await makeTemporaryFolder('envdir');
  for (const [name, value] of Object.entries(S3)) writeFileSync(join(envdir, name), value);
  const environment = { ...S3, PGARC_SPOOL: 'spool' };
  expect(choose({ environment }, envdir)).toEqual({
    flags: [`--envdir=${envdir}`, `--spool=${process.cwd()}/spool`],
    secrets: [],
  });
});

it('leaves out what a folder does not need', () => {
  expect(choose({ environment: { ...S3, PGARC_STORE: '/backups' } })).toEqual({
    flags: ['--store=file:///backups'],
    secrets: [],
  });
});
