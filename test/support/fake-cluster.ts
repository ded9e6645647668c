import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './pgarc.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { giveAway } from './unprivileged.ts';
import { makeSegment, type SegmentOptions } from './wal-segment.ts';

/** What pgarc sees of a cluster's data directory, without a server. Its segments have 1 MiB. */
export interface FakeCluster {
  readonly data: string;
  /** Of the pg_control in it. */
  readonly systemIdentifier: bigint;
  /** Puts a segment into pg_wal, ready to be archived unless told otherwise. */
  add(segment: SegmentOptions & { ready?: boolean }): Promise<{ name: string; bytes: Buffer; path: string }>;
  /** Puts any file into pg_wal and its .ready beside it. */
  addFile(name: string, bytes: Uint8Array): Promise<void>;
  /** What PostgreSQL does once archive_command has ended with 0. */
  done(name: string): Promise<void>;
  /** Empties the directory and fills it anew, as rm and initdb would. */
  renew(): Promise<void>;
}

const SYSTEM_IDENTIFIER = 7710628142572338094n;

export async function makeFakeCluster(data?: string): Promise<FakeCluster> {
  const directory = data ?? join(await makeTemporaryFolder('pg'), 'data');
  const status = (entry: string) => join(directory, 'pg_wal/archive_status', entry);
  const write = async (path: string, bytes: Uint8Array) => {
    await writeFile(path, bytes);
    giveAway(path);
  };

  async function fill(): Promise<void> {
    for (const folder of ['', 'global', 'pg_wal', 'pg_wal/archive_status']) {
      await mkdir(join(directory, folder), { recursive: true });
      giveAway(join(directory, folder));
    }
    const control = join(directory, 'global/pg_control');
    await copyFile(`${ROOT}/test/fixtures/pg_control/15`, control);
    giveAway(control);
    await write(join(directory, 'PG_VERSION'), Buffer.from('15\n'));
  }
  await fill();

  const cluster: FakeCluster = {
    data: directory,
    systemIdentifier: SYSTEM_IDENTIFIER,
    async add({ ready = true, ...options }) {
      const { name, bytes } = makeSegment({ systemIdentifier: SYSTEM_IDENTIFIER, ...options });
      const path = join(directory, 'pg_wal', name);
      await write(path, bytes);
      if (ready) await write(status(`${name}.ready`), Buffer.alloc(0));
      return { name, bytes, path };
    },
    async addFile(name, bytes) {
      await write(join(directory, 'pg_wal', name), bytes);
      await write(status(`${name}.ready`), Buffer.alloc(0));
    },
    done: (name) => rename(status(`${name}.ready`), status(`${name}.done`)),
    async renew() {
      for (const entry of ['global', 'pg_wal', 'PG_VERSION']) {
        await rm(join(directory, entry), { recursive: true, force: true });
      }
      await fill();
    },
  };
  return cluster;
}
