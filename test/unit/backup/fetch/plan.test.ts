import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Backup, findBackup, listBackups } from '../../../../src/backup/catalog.ts';
import { findDependents, resolveChain } from '../../../../src/backup/fetch/chain.ts';
import { type BackupContents, readContents } from '../../../../src/backup/fetch/contents.ts';
import { formOf } from '../../../../src/backup/fetch/form.ts';
import { Ledger } from '../../../../src/backup/fetch/ledger.ts';
import { planSteps } from '../../../../src/backup/fetch/plan.ts';
import { filesMetadataKey, partitionKey } from '../../../../src/backup/format/keys.ts';
import { MemoryStore } from '../memory-store.ts';

const SAMPLE = join(import.meta.dirname, '../../../fixtures/walg-sample/store');
const FULL = 'base_000000010000000000000002';
const DELTA = 'base_000000010000000000000004_D_000000010000000000000002';
const { signal } = new AbortController();

let store: MemoryStore;
let backups: Backup[];
beforeEach(async () => {
  store = await MemoryStore.from(SAMPLE);
  backups = await listBackups(store, signal);
});

async function readChain(name: string): Promise<BackupContents[]> {
  const chain = resolveChain(backups, findBackup(backups, name));
  return await Promise.all(chain.map((backup) => readContents(store, backup, signal)));
}

describe('resolveChain', () => {
  it('leads from the full backup to the delta', () => {
    expect(resolveChain(backups, findBackup(backups, DELTA)).map(({ name }) => name)).toEqual([FULL, DELTA]);
    expect(findDependents(backups, findBackup(backups, FULL)).map(({ name }) => name)).toEqual([DELTA]);
  });

  it('tells of a parent that is gone, or of another cluster', () => {
    const [full, delta] = backups as [Backup, Backup];
    expect(() => resolveChain([delta], delta)).toThrow(expect.objectContaining({ code: 'object-missing' }));
    const foreign = { ...full, systemIdentifier: 1n };
    expect(() => resolveChain([foreign, delta], delta)).toThrow(/is of another cluster/);
    expect(() => resolveChain([full, { ...delta, parent: DELTA }], { ...delta, parent: DELTA })).toThrow(
      /cannot be its parent/,
    );
  });
});

describe('planSteps', () => {
  it('takes a full backup whole', async () => {
    const [step] = planSteps(await readChain(FULL));
    expect(step?.parts).toHaveLength(3);
    expect(step?.ledger.missing()).toHaveLength(996);
  });

  it('takes from the full backup only what the delta leaves unchanged or changes in part', async () => {
    const [full, delta] = planSteps(await readChain(DELTA));
    expect(full?.parts.map(({ name }) => name)).toEqual(['part_001.tar.lz4']);
    expect(delta?.parts).toHaveLength(3);
    expect(delta?.increments.size).toBe(4);
    expect(full?.ledger.missing()).toHaveLength(962 + 4);
    expect(delta?.ledger.missing()).toHaveLength(36);
    const [increment] = delta?.increments ?? [];
    expect(full?.ledger.expects(increment as string)).toBe(true);
  });

  it('refuses a delta without its list of files', async () => {
    store.objects.delete(filesMetadataKey(DELTA));
    await expect(readChain(DELTA)).rejects.toMatchObject({
      code: 'object-missing',
      message: expect.stringContaining(filesMetadataKey(DELTA)),
    });
  });

  it('takes everything of a full backup without a list', async () => {
    store.objects.set(filesMetadataKey(FULL), Buffer.from('{"Files":null}'));
    const [step] = planSteps(await readChain(FULL));
    expect(step?.ledger.expects('anything')).toBe(true);
    expect(step?.parts).toHaveLength(3);
  });

  it('tells of a tar that is on record and missing', async () => {
    const key = partitionKey(FULL, 'part_001.tar.lz4');
    store.objects.delete(key);
    await expect(readChain(FULL)).rejects.toMatchObject({
      exitCode: 8,
      message: `${key} is missing from the store`,
    });
  });

  it('refuses a list that leads out of the data directory', async () => {
    store.objects.set(filesMetadataKey(FULL), Buffer.from('{"Files":{"/../etc/passwd":{}}}'));
    await expect(readChain(FULL)).rejects.toMatchObject({ code: 'object-damaged' });
  });

  it('tells when the parent lacks a file that the delta calls unchanged', async () => {
    const metadata = JSON.parse(store.objects.get(filesMetadataKey(FULL))?.toString() ?? '');
    delete metadata.Files['/base/4/2603'];
    store.objects.set(filesMetadataKey(FULL), Buffer.from(JSON.stringify(metadata)));
    const chain = await readChain(DELTA);
    expect(() => planSteps(chain)).toThrow(`${filesMetadataKey(FULL)} is damaged: it lacks base/4/2603`);
  });
});

describe('formOf', () => {
  const full = { kind: 'full' } as const;
  const tars = ['part_001.tar.lz4', 'pg_control.tar.lz4'];
  const listed = new Map([['backup_label', 'whole']]);

  it.each([
    ['streamed', { backup: full, hasManifest: false, files: listed, tars }],
    ['streamed-unlisted', { backup: full, hasManifest: false, files: undefined, tars }],
    ['own-tars', { backup: full, hasManifest: false, files: new Map([['PG_VERSION', 'whole']]), tars }],
    ['own-tars', { backup: full, hasManifest: true, files: undefined, tars }],
    ['own-tars', { backup: { kind: 'delta' as const }, hasManifest: false, files: listed, tars }],
    ['own-tars', { backup: full, hasManifest: false, files: undefined, tars: [...tars, 'backup_label.tar'] }],
    ['wal-e', { backup: { kind: 'wal-e' as const }, hasManifest: false, files: undefined, tars }],
  ] as const)('tells %s', (form, clues) => {
    expect(formOf(clues)).toBe(form);
  });

  it('lets the label’s tar be missing only where nothing says that it was there', async () => {
    store.objects.delete(partitionKey(FULL, 'backup_label.tar.lz4'));
    const metadata = JSON.parse(store.objects.get(filesMetadataKey(FULL))?.toString() ?? '');
    const put = (lists: object) =>
      store.objects.set(filesMetadataKey(FULL), Buffer.from(JSON.stringify(lists)));
    await expect(readChain(FULL)).rejects.toThrow(/backup_label\.tar\.lz4 is missing/);
    put({ ...metadata, TarFileSets: {} });
    await expect(readChain(FULL)).rejects.toThrow(/backup_label\.tar\.lz4 is missing/);
    store.objects.delete(filesMetadataKey(FULL));
    const [contents] = await readChain(FULL);
    expect(contents).toMatchObject({
      form: 'streamed-unlisted',
      parts: [{ unclosedAfter: 'pg_control' }, {}],
    });
    const [step] = planSteps([contents!]);
    expect(step?.ledger.missing()).toEqual(['backup_label', 'global/pg_control']);
  });
});

describe('Ledger', () => {
  const ledger = () =>
    new Ledger(
      new Map([
        ['a', { size: 3, crc32c: 7 }],
        ['b', {}],
      ]),
    );

  it('wants each file once, as recorded', () => {
    const one = ledger();
    one.arrive('a', 3, 7);
    expect(one.missing()).toEqual(['b']);
    expect(() => one.arrive('a', 3, 7)).toThrow('a is in the backup twice');
    expect(() => ledger().arrive('a', 2, 7)).toThrow('a has 2 bytes instead of 3');
    expect(() => ledger().arrive('a', 3, 8)).toThrow(/another checksum/);
  });

  it('takes twice what may come twice, when it is the same', () => {
    const twice = new Set(['c']);
    const one = new Ledger(undefined, { mayComeTwice: twice, mustComeTwice: twice });
    expect(one.missing()).toEqual(['c']);
    one.arrive('c', 3, 7);
    expect(one.missing()).toEqual(['the second c']);
    expect(() => one.arrive('c', 3, 8)).toThrow('c is in the backup twice, with different contents');
    one.arrive('c', 3, 7);
    expect(one.missing()).toEqual([]);
    expect(() => one.arrive('c', 3, 7)).toThrow('c is in the backup twice');
  });

  it('takes anything once when nothing is recorded', () => {
    const one = new Ledger(undefined);
    one.arrive('x', 1, 1);
    expect(() => one.arrive('x', 1, 1)).toThrow(/twice/);
    expect(one.missing()).toEqual([]);
  });
});
