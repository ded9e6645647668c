import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { expect, it } from 'vitest';
import { formatManifest, parseManifest } from '../../../../src/backup/format/manifest.ts';
import { startPostgres } from '../../../support/postgres.ts';
import { makeTemporaryFolder } from '../../../support/temporary.ts';

it('manifests pass between pgarc and PostgreSQL', async () => {
  const server = await startPostgres();
  const copy = join(await makeTemporaryFolder(), 'copy');
  await server.tool('pg_basebackup', ['-D', copy, '-c', 'fast', '-X', 'fetch']);
  const path = join(copy, 'backup_manifest');

  const original = parseManifest(await readFile(path));
  expect(original.files.length).toBeGreaterThan(900);
  for (const file of original.files) {
    const content = await readFile(join(copy, file.path));
    expect([file.path, file.size, file.crc32c]).toEqual([file.path, content.length, crc32c(content)]);
  }

  await writeFile(
    path,
    Buffer.concat([...formatManifest({ ...original, pgVersion: 150020, systemIdentifier: 0n })]),
  );
  expect(await server.tool('pg_verifybackup', [copy])).toContain('backup successfully verified');

  const [first] = original.files;
  const files = original.files.map((file) => (file === first ? { ...file, crc32c: 1 } : file));
  await writeFile(
    path,
    Buffer.concat([...formatManifest({ ...original, files, pgVersion: 150020, systemIdentifier: 0n })]),
  );
  await expect(server.tool('pg_verifybackup', ['-n', copy])).rejects.toThrow('checksum mismatch');
});
