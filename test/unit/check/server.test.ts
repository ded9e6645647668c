import { expect, it } from 'vitest';
import {
  checkArchiveCommand,
  checkArchiveMode,
  checkVersion,
  checkWalLevel,
} from '../../../src/check/server.ts';
import type { ServerFacts } from '../../../src/postgres/server.ts';

const facts: ServerFacts = {
  versionNumber: 150020,
  systemIdentifier: 1n,
  catalogVersion: 202209061,
  dataDirectory: '/pg',
  port: 5432,
  startTime: new Date(),
  inRecovery: false,
  segmentSize: 16 * 1024 ** 2,
  blockSize: 8192,
  fileBlocks: 131072,
  dataChecksums: true,
  walLevel: 'replica',
  archiveMode: 'on',
  archiveCommand: 'pgarc wal-push %p',
  archiveLibrary: '',
};

it('accepts a server that archives with pgarc', () => {
  expect(checkVersion(facts, '/run')).toMatchObject({
    status: 'ok',
    message: 'primary of version 15.20 at /run',
  });
  expect(checkWalLevel(facts).status).toBe('ok');
  expect(checkArchiveMode(facts).status).toBe('ok');
  expect(checkArchiveCommand(facts).status).toBe('ok');
  const envdir = 'envdir /etc/env /opt/pgarc/cli/pgarc --store s3://b wal-push "%p"';
  expect(checkArchiveCommand({ ...facts, archiveCommand: envdir }).status).toBe('ok');
});

it('tells what is wrong with one that does not', () => {
  expect(checkWalLevel({ ...facts, walLevel: 'minimal' }).status).toBe('failed');
  expect(checkArchiveMode({ ...facts, archiveMode: 'off' })).toMatchObject({
    status: 'failed',
    hint: expect.any(String),
  });
  expect(checkArchiveCommand({ ...facts, archiveCommand: '' }).status).toBe('failed');
  expect(checkArchiveCommand({ ...facts, archiveCommand: 'pgarc wal-push' }).status).toBe('warning');
  expect(checkArchiveCommand({ ...facts, archiveCommand: 'wal-g wal-push %p' })).toMatchObject({
    status: 'warning',
    message: expect.stringContaining('wal-g wal-push %p'),
  });
  expect(checkArchiveCommand({ ...facts, archiveLibrary: 'basic_archive' }).status).toBe('failed');
});

it('only warns of a standby, which need not archive', () => {
  const standby = { ...facts, inRecovery: true };
  expect(checkArchiveMode({ ...standby, archiveMode: 'off' }).status).toBe('warning');
  expect(checkArchiveCommand({ ...standby, archiveCommand: '' }).status).toBe('warning');
});

it('knows the versions it can work with', () => {
  expect(() => checkVersion({ ...facts, versionNumber: 120010 }, '/run')).toThrow(/12\.10/);
  expect(checkVersion({ ...facts, versionNumber: 190000 }, '/run').status).toBe('warning');
});
