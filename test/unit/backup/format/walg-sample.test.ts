/** What WAL-G wrote, read with nothing but the formats: lz4, tar, increments, page checksums, pg_control. */
import { createReadStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { applyIncrement } from '../../../../src/backup/fetch/increment-file.ts';
import { Tree } from '../../../../src/backup/fetch/tree.ts';
import type { FilesMetadata } from '../../../../src/backup/format/sentinel.ts';
import { readTar, type TarMember } from '../../../../src/backup/format/tar.ts';
import type { Decoder } from '../../../../src/codec/codec.ts';
import { openDecoder } from '../../../../src/codec/codecs.ts';
import { openLz4 } from '../../../../src/codec/lz4.ts';
import { parseControlFile } from '../../../../src/postgres/control-file.ts';
import { findBadPages } from '../../../../src/postgres/page-checksum.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

const BACKUPS = join(import.meta.dirname, '../../../fixtures/walg-sample/store/basebackups_005');
const FULL = 'base_000000010000000000000002';
const DELTA = 'base_000000010000000000000004_D_000000010000000000000002';
const RELATION_FILE =
  /\/(base|PG_\d+_\d+)\/\d+\/\d+(_\w+)?$|\/global\/\d+(_\w+)?$|\/PG_\w+\/\d+\/\d+(_\w+)?$/;

async function* members(decoder: Decoder, backup: string, part: string): AsyncGenerator<TarMember> {
  const file = createReadStream(join(BACKUPS, backup, 'tar_partitions', part));
  yield* readTar(decoder.decompress(file));
}

async function filesOf(backup: string): Promise<FilesMetadata> {
  return JSON.parse(await readFile(join(BACKUPS, backup, 'files_metadata.json'), 'utf8'));
}

it.each([
  ['liblz4', () => openDecoder('lz4')],
  ['lz4-napi', () => openLz4(async () => undefined)],
])('every part of the sample holds what files_metadata.json says, read by %s', async (_what, open) => {
  const decoder = (await open())!;
  for (const backup of [FULL, DELTA]) {
    const { TarFileSets, Files } = await filesOf(backup);
    for (const [part, expected] of Object.entries(TarFileSets)) {
      const names: string[] = [];
      for await (const { entry } of members(decoder, backup, part)) {
        names.push(entry.name);
        if (part.startsWith('part_')) expect(Files).toHaveProperty([entry.name]);
      }
      expect(names.sort()).toEqual([...expected].sort());
    }
  }
});

it('the full backup and its delta restore to pages with right checksums', async () => {
  const decoder = (await openDecoder('lz4'))!;
  const root = await makeTemporaryFolder();
  const tree = new Tree(root, undefined);
  let increments = 0;
  for (const backup of [FULL, DELTA]) {
    const { Files } = await filesOf(backup);
    for await (const { entry, body } of members(decoder, backup, 'part_001.tar.lz4')) {
      const path = entry.name.slice(1);
      if (entry.type === 'directory') tree.makeDirectory(path, entry.mode);
      else if (Files[entry.name]?.IsIncremented) {
        increments++;
        await applyIncrement(tree, path, entry, body);
      } else {
        await rm(join(root, path), { force: true });
        await tree.writeFile(path, entry.mode, entry.size, body);
      }
    }
    let checked = 0;
    for (const name of Object.keys(Files)) {
      if (!RELATION_FILE.test(name)) continue;
      checked++;
      expect(findBadPages(await readFile(join(root, name)), 0), `${backup} ${name}`).toEqual([]);
    }
    expect(checked).toBeGreaterThan(900);
  }
  expect(increments).toBe(4);
});

it('pg_control of both backups is of one cluster', async () => {
  const decoder = (await openDecoder('lz4'))!;
  for (const backup of [FULL, DELTA]) {
    for await (const { entry, body } of members(decoder, backup, 'pg_control.tar.lz4')) {
      expect(entry.name).toBe('/global/pg_control');
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      const control = parseControlFile(Buffer.concat(parts));
      const sentinel = await readFile(join(BACKUPS, `${backup}_backup_stop_sentinel.json`), 'utf8');
      expect(sentinel).toContain(`"SystemIdentifier":${control.systemIdentifier}`);
    }
  }
});
