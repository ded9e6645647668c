import { describe, expect, it } from 'vitest';
import { dropArchiving } from '../../../src/replica/foreign-archiving.ts';
import { chooseSource, requireEmptyArchive, type SourceRequest } from '../../../src/replica/source.ts';
import { MemoryStore } from '../backup/memory-store.ts';

const request = (given: Partial<SourceRequest>): SourceRequest => ({
  ownStore: 's3://bucket/backups/copy/wal',
  ownScope: 'copy',
  sourceStore: undefined,
  sourceScope: undefined,
  ...given,
});

describe('chooseSource', () => {
  it.each<[string, Partial<SourceRequest>, string | undefined]>([
    ['its own archive', {}, undefined],
    ['its own archive, named by its scope', { sourceScope: 'copy' }, undefined],
    [
      'its own archive, named twice',
      { sourceScope: 'copy', sourceStore: 's3://bucket/backups/copy/wal/' },
      undefined,
    ],
    ["another scope's, where the own one would be", { sourceScope: 'main' }, 's3://bucket/backups/main/wal'],
    ['another store', { sourceStore: 's3://other/x' }, 's3://other/x'],
    ['another store of the same scope', { sourceScope: 'copy', sourceStore: 's3://other/x' }, 's3://other/x'],
    ['a folder', { sourceStore: 'file:///a/b', ownStore: 'file:///a/bc' }, 'file:///a/b'],
    [
      'another store, without one of its own',
      { ownStore: undefined, sourceStore: 's3://other/x' },
      's3://other/x',
    ],
    [
      'a store within its own',
      { ownStore: 's3://bucket/a', sourceStore: 's3://bucket/a/b' },
      's3://bucket/a/b',
    ],
  ])('%s', (_, given, store) => {
    expect(chooseSource(request(given))).toEqual({ store, isClone: store !== undefined });
  });

  it.each<[string, Partial<SourceRequest>]>([
    ['the same store', { sourceStore: 's3://bucket/backups/copy/wal' }],
    ['the same store, written otherwise', { sourceStore: 's3://bucket//backups/copy/wal/' }],
    [
      'the same store under another scope',
      { sourceScope: 'main', sourceStore: 's3://bucket/backups/copy/wal' },
    ],
    ['a store around its own', { sourceStore: 's3://bucket/backups' }],
    ['the whole bucket', { sourceStore: 's3://bucket' }],
    ['the same folder', { ownStore: 'file:///a/b/', sourceStore: 'file:///a/./b' }],
  ])('refuses to clone %s', (_, given) => {
    expect(() => chooseSource(request(given))).toThrow(expect.objectContaining({ code: 'refused' }));
  });

  it.each<[string, Partial<SourceRequest>]>([
    ['the store does not name the scope', { ownStore: 's3://bucket/x', sourceScope: 'main' }],
    ['the store names it twice', { ownStore: 's3://bucket/copy/copy', sourceScope: 'main' }],
    ['only the bucket names it', { ownStore: 's3://copy/x', sourceScope: 'main' }],
    ['there is no own store', { ownStore: undefined, sourceScope: 'main' }],
    ['there is no own scope', { ownScope: undefined, sourceScope: 'main' }],
  ])('asks for --source-store when %s', (_, given) => {
    expect(() => chooseSource(request(given))).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('requireEmptyArchive', () => {
  it.each([
    'wal_005/000000020000000000000003.lz4',
    'basebackups_005/base_x_backup_stop_sentinel.json',
    'pgarc/identity.json',
  ])('refuses a clone whose archive holds %s', async (key) => {
    const store = new MemoryStore();
    const signal = new AbortController().signal;
    await requireEmptyArchive(store, signal);
    store.objects.set(key, Buffer.from('x'));
    await expect(requireEmptyArchive(store, signal)).rejects.toMatchObject({ code: 'refused' });
  });
});

it('takes the archiving of the source out of postgresql.auto.conf', () => {
  const lines = [
    "work_mem = '4MB'",
    "archive_command = 'pgarc wal-push --store s3://source %p'",
    "Archive_Library = ''",
    '# archive_command',
    '',
  ];
  expect(dropArchiving(lines.join('\n'))).toBe("work_mem = '4MB'\n# archive_command\n");
});
