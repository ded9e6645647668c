import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findServer } from '../../../src/postgres/address.ts';
import { parsePostmasterPid, readPostmasterPid } from '../../../src/postgres/postmaster.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const PID = '4711\n/pg/data\n1763733072\n5433\n/run/pg\nlocalhost\n  5432001    163840\nready   \n';

describe('parsePostmasterPid', () => {
  it('reads what a running server writes', () => {
    expect(parsePostmasterPid(PID)).toEqual({
      pid: 4711,
      dataDir: '/pg/data',
      startTime: new Date(1763733072_000),
      port: 5433,
      socketDir: '/run/pg',
      listenAddress: 'localhost',
    });
  });

  it('does not read one that is not complete yet', () => {
    expect(parsePostmasterPid('4711\n/pg/data\n1763733072\n')).toBeUndefined();
    expect(parsePostmasterPid('')).toBeUndefined();
  });

  it('knows a stand-alone backend by its negative number', () => {
    expect(parsePostmasterPid(PID.replace('4711', '-4711'))?.pid).toBe(4711);
  });

  it('is absent without a server', async () => {
    expect(await readPostmasterPid(await makeTemporaryFolder())).toBeUndefined();
  });
});

describe('findServer', () => {
  it('takes the host of the settings first', async () => {
    expect(await findServer({ pgHost: 'db1,db2', pgPort: undefined }, undefined)).toEqual({
      host: 'db1',
      port: 5432,
    });
  });

  it('takes the socket of the server that runs on the data directory', async () => {
    const folder = await makeTemporaryFolder();
    await writeFile(join(folder, 'postmaster.pid'), PID);
    expect(await findServer({ pgHost: undefined, pgPort: undefined }, folder)).toEqual({
      host: '/run/pg',
      port: 5433,
    });
  });

  it('resolves a relative socket directory, and takes the address when there is none', async () => {
    const folder = await makeTemporaryFolder();
    await writeFile(join(folder, 'postmaster.pid'), PID.replace('/run/pg', '.'));
    expect((await findServer({ pgHost: undefined, pgPort: undefined }, folder)).host).toBe('/pg/data');
    await writeFile(join(folder, 'postmaster.pid'), PID.replace('/run/pg', '').replace('localhost', '*'));
    expect((await findServer({ pgHost: undefined, pgPort: undefined }, folder)).host).toBe('localhost');
  });
});
