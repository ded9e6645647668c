import { access, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ErrorCode, isPgarcError, messageOf, PgarcError } from '../errors.ts';
import { readControlFile } from '../postgres/control-file.ts';
import { classifyWalFile } from '../wal/file-name.ts';
import { STREAM_ABOVE } from '../wal/prepare.ts';
import { pushWal } from '../wal/push.ts';
import { type Cluster, isInWalFolder, isSameCluster } from './cluster.ts';
import { LookAhead } from './look-ahead.ts';
import { markerPath } from './marker.ts';
import { OnceTold } from './once-told.ts';
import { type MarkOutcome, Pusher } from './pusher.ts';
import type { DaemonRequest } from './server.ts';
import type { DaemonParts, DaemonService } from './services.ts';
import { watchFolder } from './watch-folder.ts';

/** What uploads may hold in memory together, bytes. */
const UPLOAD_MEMORY = 512 * 1024 * 1024;
/** What a segment that goes as a stream holds, bytes: 40 MiB of compressFile (wal/compress.ts), and the request. */
const STREAM_MEMORY = 48 * 1024 * 1024;

/** Failures that do not mean that the client would fail too. */
const OWN_FAILURES: readonly ErrorCode[] = ['interrupted', 'failed', 'no-space'];

/** What belongs to one cluster and ends with it. */
interface Serving {
  cluster: Cluster;
  pusher: Pusher;
  lookAhead: LookAhead;
  abort: AbortController;
}

/** Stores WAL: what is asked for on the socket, and ahead of that what waits in archive_status. */
export async function createPushService(parts: DaemonParts): Promise<DaemonService> {
  const { settings, spool, bus } = parts;
  let serving: Serving | undefined;
  let isStopping = false;
  const [inexact, unwritable] = [new OnceTold(bus.emit), new OnceTold(bus.emit)];

  function noteMark(outcome: MarkOutcome): void {
    const way = 'wal-push takes the way through the socket';
    if (outcome === 'made') unwritable.end(`markers can be written into ${spool.out} again`);
    else if (outcome === 'inexact')
      inexact.begin(
        `the file system of ${spool.out} cannot keep times to the nanosecond: ${way}`,
        'Put the spool on a local file system such as ext4, xfs or tmpfs.',
      );
    else {
      unwritable.begin(
        `no markers can be written into ${spool.out}: ${way}: ${messageOf(outcome.error)}`,
        'Make room in the spool, or make it writable for this user.',
      );
    }
  }

  async function begin(cluster: Cluster): Promise<Serving> {
    const { segmentSize } = await readControlFile(cluster.pgdata);
    const abort = new AbortController();
    const { store, encoder } = parts;
    const pusher = new Pusher({
      cluster,
      out: spool.out,
      concurrency: uploadsAtOnce(settings.uploadConcurrency, segmentSize),
      emit: bus.emit,
      onMark: noteMark,
      async push(path) {
        const deps = { store, encoder, spool: spool.folder, pgdata: cluster.pgdata, emit: bus.emit };
        await pushWal(deps, { path, cwd: cluster.pgdata }, abort.signal);
      },
    });
    const lookAhead = new LookAhead({
      list: () => readdir(cluster.status),
      isReady: (name) => exists(join(cluster.status, `${name}.ready`)),
      push: (name) => pusher.push(name, true),
      isRunning: (name) => pusher.isRunning(name),
      hasRoom: () => pusher.hasRoom,
      removeMarker: (name) => rm(markerPath(spool.out, name), { force: true }),
      watch: (onChange) => watchFolder(cluster.status, (_, entry) => onChange(entry)),
      emit: bus.emit,
    });
    return { cluster, pusher, lookAhead, abort };
  }

  async function push({ body: path, folder }: DaemonRequest): Promise<'done' | 'not-served'> {
    const current = serving;
    if (current === undefined || isStopping || classifyWalFile(basename(path)) === undefined)
      return 'not-served';
    if (!(await isInWalFolder(path, current.cluster, folder))) return 'not-served';
    // Another cluster may have taken its place a moment ago: uploads under way are of the old one.
    if (!(await isSameCluster(current.cluster, current.cluster.pgdata))) return 'not-served';
    const { pusher, lookAhead } = current;
    lookAhead.noteAsked();
    // The client says it better.
    if (!(await exists(path))) return 'not-served';
    const name = basename(path);
    try {
      await pusher.push(name, false);
      lookAhead.notePushed(name);
      return 'done';
    } catch (error) {
      lookAhead.notePushed(undefined);
      // Of this process, not of the file or the store: it stops, may open no more files, cannot read what the
      // client can.
      if (!isPgarcError(error) || OWN_FAILURES.includes(error.code)) return 'not-served';
      throw error;
    }
  }

  parts.deadline.addEventListener('abort', () => serving?.abort.abort(parts.deadline.reason), { once: true });
  return {
    routes: { '/wal-push': push },
    async clusterFound(cluster) {
      serving = await begin(cluster);
      serving.lookAhead.start();
    },
    async clusterLost() {
      const lost = serving;
      serving = undefined;
      if (lost === undefined) return;
      await lost.lookAhead.stop();
      lost.abort.abort(new PgarcError('interrupted', `${lost.cluster.pgdata} holds another cluster now`));
      await lost.pusher.settle();
      bus.emit({ type: 'walBacklog', files: undefined });
    },
    async stop() {
      isStopping = true;
      await serving?.lookAhead.stop();
      const uploads = serving?.pusher.running ?? 0;
      if (uploads > 0) bus.emit({ type: 'daemonStopping', uploads });
      await serving?.pusher.settle();
      serving = undefined;
    },
  };
}

/** Bounded by memory too: up to STREAM_ABOVE a segment and what it compresses to are held whole. */
export function uploadsAtOnce(concurrency: number, segmentSize: number): number {
  const each = segmentSize > STREAM_ABOVE ? STREAM_MEMORY : 2 * segmentSize;
  return Math.max(1, Math.min(concurrency, Math.floor(UPLOAD_MEMORY / each)));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
