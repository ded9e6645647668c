import { availableParallelism } from 'node:os';
import type { Encoder } from '../../codec/codec.ts';
import type { Emit } from '../../report/events.ts';
import type { ObjectStore } from '../../store/store.ts';
import { partitionKey } from '../format/keys.ts';
import { mapParallel } from '../map-parallel.ts';
import { CHUNK_SIZE, ChunkPool } from './chunks.ts';
import { compressChunks } from './compress.ts';
import type { PageChecker } from './pages.ts';
import { partName, planParts } from './plan.ts';
import { TarSource } from './tar-source.ts';
import type { Walk, WalkedEntry } from './walk.ts';

export interface UploadDeps {
  store: ObjectStore;
  encoder: Encoder;
  /** Undefined when the cluster has no page checksums. */
  pages: PageChecker | undefined;
  emit: Emit;
}

export interface UploadOptions {
  backup: string;
  pgdata: string;
  /** Tars under way at the same time. */
  concurrency: number;
}

const SPARE_CHUNKS = 3;

/** A tar in the store. */
export interface StoredTar {
  /** `part_001.tar.lz4` */
  name: string;
  storedSize: number;
  /** Names of its members. */
  members: string[];
}

export interface Uploaded {
  tars: StoredTar[];
  files: WalkedEntry[];
}

/** Packs, compresses and stores all files of a walk. */
export async function uploadFiles(
  deps: UploadDeps,
  walk: Walk,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<Uploaded> {
  const { store, encoder, pages, emit } = deps;
  const { backup, pgdata, concurrency } = options;
  const parts = planParts(walk.files);
  // One a core is being compressed; others are being filled, handed over, or wait. More would not be faster.
  const chunks = availableParallelism() + SPARE_CHUNKS;
  const pool = new ChunkPool(chunks, encoder.bound(CHUNK_SIZE));
  const progress = startProgress(walk, emit);
  const files: WalkedEntry[] = [];

  const tars = await mapParallel(
    parts.map((part, index) => ({ part, index })),
    concurrency,
    async ({ part, index }, partSignal): Promise<StoredTar> => {
      const name = partName(index, encoder.extension);
      // Directories before files, for a tool that unpacks one tar after the other.
      const directories = index === 0 ? walk.directories : [];
      const members = directories.map((directory) => directory.name);
      const source = new TarSource({
        pgdata,
        directories,
        files: part.files,
        pagesOf: (file) => pages?.forFile(file),
        packed(file) {
          files.push(file);
          members.push(file.name);
        },
        read: progress.read,
        resized: progress.resized,
        torn: (file) => emit({ type: 'warning', ...describeTorn(file) }),
        signal: partSignal,
      });
      const body = progress.count(compressChunks(source, encoder, pool, partSignal));
      const expected = Math.ceil(part.size / CHUNK_SIZE) * encoder.bound(CHUNK_SIZE);
      const key = partitionKey(backup, name);
      const storedSize = await store.putStream(key, body, { signal: partSignal, expected });
      return { name, storedSize, members };
    },
    signal,
  );
  return { tars, files };
}

function describeTorn({ name }: WalkedEntry): { message: string; hint: string } {
  return {
    message: `${name} was cut while it was read, and its copy in the backup ends with zeros`,
    hint: 'No harm for a log; after a restore, look at any other file of this name.',
  };
}

interface Progress {
  read(bytes: number): void;
  resized(bytes: number): void;
  count(frames: AsyncIterable<Buffer>): AsyncGenerator<Buffer>;
}

/** Events this often, ms: whoever shows them redraws at each. */
const PROGRESS_INTERVAL = 200;

function startProgress(walk: Walk, emit: Emit): Progress {
  let totalBytes = walk.files.reduce((sum, file) => sum + file.size, 0);
  let doneBytes = 0;
  let storedBytes = 0;
  let told = 0;
  const tell = () => {
    const now = performance.now();
    if (now - told < PROGRESS_INTERVAL && doneBytes < totalBytes) return;
    told = now;
    emit({ type: 'progress', operation: 'backup', doneBytes, totalBytes, storedBytes });
  };
  return {
    read(bytes) {
      doneBytes += bytes;
      tell();
    },
    resized(bytes) {
      totalBytes += bytes;
    },
    async *count(frames) {
      for await (const frame of frames) {
        storedBytes += frame.length;
        tell();
        yield frame;
      }
    },
  };
}
