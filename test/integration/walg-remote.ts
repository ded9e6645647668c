import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatJson } from '../../src/json.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { mustRun } from '../support/run.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';

const BLOCK = 512;
const PART_BYTES = 6 * 2 ** 20;

interface Member {
  /** As WAL-G's list of files has it. */
  name: string;
  isDirectory: boolean;
  /** Header and padded body. */
  bytes: Buffer;
}

/**
 * Takes a backup as `wal-g backup-push` does without a directory: the tars of BASE_BACKUP, the tablespaces'
 * first, cut into parts, of which the last is not closed, nor is the tar that gets a copy of pg_control.
 * @returns its name, and the folder of its tars
 */
export async function backUpAsWalgRemote(
  server: TestPostgres,
  store: string,
  tablespaces: Readonly<Record<string, string>>,
): Promise<{ name: string; tars: string }> {
  const folder = join(await makeOwnedDirectory(join(await makeTemporaryFolder('remote'), 'tars')), 'base');
  await server.tool('pg_basebackup', ['-D', folder, '-Ft', '-X', 'none', '-c', 'fast', '--no-manifest']);
  const files = await readdir(join(server.dataDir, 'pg_wal'));
  const history = await readFile(
    join(server.dataDir, 'pg_wal', files.findLast((one) => one.endsWith('.backup'))!),
    'utf8',
  );
  const [, start, segment] = /^START WAL LOCATION: (\S+) \(file (\S+)\)/m.exec(history)!;
  const [, finish] = /^STOP WAL LOCATION: (\S+)/m.exec(history)!;
  const name = `base_${segment}`;
  const home = join(store, 'basebackups_005', name);
  const tars = join(home, 'tar_partitions');
  await mkdir(tars, { recursive: true });

  const members: Member[] = [];
  for (const oid of Object.keys(tablespaces))
    members.push(...readMembers(await readFile(join(folder, `${oid}.tar`)), `pg_tblspc/${oid}/`));
  members.push(...readMembers(await readFile(join(folder, 'base.tar')), ''));
  const parts = cut(members);
  for (const [i, part] of parts.entries()) {
    const end = i === parts.length - 1 ? [] : [Buffer.alloc(2 * BLOCK)];
    await pack(tars, `part_${String(i + 1).padStart(3, '0')}.tar`, [
      ...part.map(({ bytes }) => bytes),
      ...end,
    ]);
  }
  const control = members.filter((one) => one.name === 'global/pg_control');
  await pack(
    tars,
    'pg_control.tar',
    control.map(({ bytes }) => bytes),
  );

  const time = new Date().toISOString();
  const description = { IsIncremented: false, IsSkipped: false, MTime: time, UpdatesCount: 0 };
  const list = members.filter(({ isDirectory }) => !isDirectory).map((one) => [one.name, description]);
  await writeFile(
    join(home, 'files_metadata.json'),
    JSON.stringify({ Files: Object.fromEntries(list), TarFileSets: {}, DatabasesByNames: null }),
  );
  const spec = Object.entries(tablespaces).map(([oid, loc]) => [oid, { loc, link: `pg_tblspc/${oid}` }]);
  const sentinel = {
    LSN: parseLsn(start!),
    PgVersion: 150000,
    FinishLSN: parseLsn(finish!),
    SystemIdentifier: BigInt(await server.value('SELECT system_identifier FROM pg_control_system()')),
    UncompressedSize: members.reduce((sum, { bytes }) => sum + bytes.length, 0),
    CompressedSize: 1,
    Spec: {
      base_prefix: server.dataDir,
      tablespaces: Object.keys(tablespaces),
      ...Object.fromEntries(spec),
    },
    ChkpNum: null,
    Version: 2,
    ...{ StartTime: time, FinishTime: time, DateFmt: '%Y-%m-%dT%H:%M:%S.%fZ', Hostname: 'h' },
    ...{ DataDir: server.dataDir, IsPermanent: false },
  };
  await writeFile(`${home}_backup_stop_sentinel.json`, formatJson(sentinel));
  giveAway(store);
  return { name, tars };
}

/** PostgreSQL's own tars have plain headers only. */
function readMembers(tar: Buffer, prefix: string): Member[] {
  const members: Member[] = [];
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number) =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    const end = at + BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const bytes = Buffer.from(tar.subarray(at, end));
    const name = prefix + text(0, 100);
    rename(bytes, name);
    members.push({ name, isDirectory: text(156, 1) === '5', bytes });
    at = end;
  }
  return members;
}

function rename(header: Buffer, name: string): void {
  header.fill(0, 0, 100).write(name, 'latin1');
  header.fill(' ', 148, 156);
  const sum = header.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function cut(members: readonly Member[]): Member[][] {
  const parts: Member[][] = [[]];
  let bytes = 0;
  for (const member of members) {
    if (bytes > 0 && bytes + member.bytes.length > PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(member);
    bytes += member.bytes.length;
  }
  return parts;
}

async function pack(folder: string, name: string, pieces: readonly Buffer[]): Promise<void> {
  const file = join(folder, name);
  await writeFile(file, Buffer.concat(pieces));
  await mustRun('lz4', ['-q', '--rm', file, `${file}.lz4`], { asPostgres: false });
}
