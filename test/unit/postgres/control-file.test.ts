import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONTROL_FILE, parseControlFile, readControlFile } from '../../../src/postgres/control-file.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

/** As initdb of each version left them; 15 with --wal-segsize=1. */
const FIXTURES = join(import.meta.dirname, '../../fixtures/pg_control');

describe('parseControlFile', () => {
  it('reads what PostgreSQL 15 wrote', async () => {
    expect(parseControlFile(await readFile(join(FIXTURES, '15')))).toEqual({
      systemIdentifier: 7710628142572338094n,
      controlVersion: 1300,
      catalogVersion: 202209061,
      state: 'shut down',
      modified: new Date('2026-11-21T14:15:14Z'),
      checkpointLsn: 0x841568n,
      redoLsn: 0x841568n,
      timeline: 1,
      previousTimeline: 1,
      fullPageWrites: true,
      checkpointTime: new Date('2026-11-21T14:15:14Z'),
      minRecoveryLsn: 0n,
      minRecoveryTimeline: 0,
      backupStartLsn: 0n,
      backupEndLsn: 0n,
      backupEndRequired: false,
      blockSize: 8192,
      blocksPerFile: 131072,
      segmentSize: 1024 * 1024,
      dataChecksums: true,
    });
  });

  it('reads what PostgreSQL 18 wrote', async () => {
    expect(parseControlFile(await readFile(join(FIXTURES, '18')))).toMatchObject({
      systemIdentifier: 7710628148307418050n,
      controlVersion: 1800,
      catalogVersion: 202506291,
      segmentSize: 16 * 1024 * 1024,
      dataChecksums: true,
    });
  });

  it('refuses any flipped bit up to its CRC', async () => {
    for (const [name, length] of [
      ['15', 292],
      ['18', 296],
    ] as const) {
      const bytes = await readFile(join(FIXTURES, name));
      for (let at = 0; at < length; at++) {
        const bad = Buffer.from(bytes);
        bad[at]! ^= 0x10;
        expect(() => parseControlFile(bad), `${name} byte ${at}`).toThrow('pg_control cannot be used');
      }
    }
  });

  it('says why it cannot be used', async () => {
    const bytes = await readFile(join(FIXTURES, '15'));
    expect(() => parseControlFile(bytes.subarray(0, 4096))).toThrow('4096 bytes instead of 8192');
    bytes.writeUInt32LE(1201, 8);
    expect(() => parseControlFile(bytes)).toThrow('unknown version 1201');
    bytes.writeUInt32BE(1300, 8);
    expect(() => parseControlFile(bytes)).toThrow('other byte order');
  });
});

describe('readControlFile', () => {
  it('waits for a write that is half done', async () => {
    const folder = await makeTemporaryFolder();
    const path = join(folder, CONTROL_FILE);
    await mkdir(dirname(path));
    const bytes = await readFile(join(FIXTURES, '15'));
    const torn = Buffer.from(bytes);
    torn[40]! ^= 1;
    await writeFile(path, torn);
    const reading = readControlFile(folder);
    await writeFile(path, bytes);
    expect((await reading).redoLsn).toBe(0x841568n);
    await writeFile(path, torn);
    await expect(readControlFile(folder)).rejects.toMatchObject({ code: 'failed' });
  });

  it('names a file that is not there', async () => {
    await expect(readControlFile('/nonexistent')).rejects.toThrow(
      'cannot read /nonexistent/global/pg_control',
    );
  });
});
