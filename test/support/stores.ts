import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { startMinio, type TestMinio } from './minio.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from './temporary.ts';
import { giveAway } from './unprivileged.ts';

export const STORE_KINDS = ['folder', 'minio'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** An empty store of pgarc, and a way round pgarc into it. Keys are relative to its prefix. */
export interface TestStore {
  /** Settings of pgarc for this store and a spool of its own. */
  readonly env: Record<string, string>;
  /** All keys that start with `prefix`, in order. */
  keys(prefix?: string): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  write(key: string, body: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

let minio: Promise<TestMinio> | undefined;
let prefixes = 0;

/** Makes a store in a folder, or under a prefix of its own in one MinIO for the whole test file. */
export async function makeStore(kind: StoreKind): Promise<TestStore> {
  const folder = await makeTemporaryFolder('store');
  const spool = { PGARC_SPOOL: join(folder, 'spool') };
  if (kind === 'folder') {
    const root = await makeOwnedDirectory(join(folder, 'objects'), 0o755);
    return { env: { PGARC_STORE: `file://${root}`, ...spool }, ...accessFolder(root) };
  }
  minio ??= startMinio({ tls: true });
  const server = await minio;
  prefixes += 1;
  const prefix = `cluster${prefixes}`;
  return { env: { ...server.env(prefix), ...spool }, ...accessMinio(server, prefix) };
}

function accessFolder(root: string): Omit<TestStore, 'env'> {
  return {
    async keys(prefix = '') {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
        .filter((key) => key.startsWith(prefix))
        .sort();
    },
    read: (key) => readFile(join(root, key)),
    async write(key, body) {
      const file = join(root, key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, body);
      giveAway(file);
    },
    remove: (key) => rm(join(root, key)),
  };
}

function accessMinio(server: TestMinio, prefix: string): Omit<TestStore, 'env'> {
  return {
    async keys(start = '') {
      const keys = await server.keys(`${prefix}/${start}`);
      return keys.map((key) => key.slice(prefix.length + 1));
    },
    read: (key) => server.read(`${prefix}/${key}`),
    write: (key, body) => server.write(`${prefix}/${key}`, body),
    remove: (key) => server.remove(`${prefix}/${key}`),
  };
}
