import { type ErrorCode, PgarcError } from '../errors.ts';
import { type ControlFile, readControlFile } from '../postgres/control-file.ts';
import type { Lsn } from '../postgres/lsn.ts';
import { openStore } from '../store/open.ts';
import { mayBeLeft } from '../wal/branch.ts';
import { beginReplay, expectFile, type FetchDeps, fetchAhead, fetchPatiently } from '../wal/fetch.ts';
import { classifyWalFile } from '../wal/file-name.ts';
import { choosePatience } from '../wal/patience.ts';
import { EXTENSION_OF } from '../wal/read-object.ts';
import { parseSegmentName, segmentStart } from '../wal/segment.ts';
import { type Cluster, isInWalFolder, isSameCluster } from './cluster.ts';
import { PrefetchWindow } from './prefetch-window.ts';
import { Prefetcher } from './prefetcher.ts';
import { toFailure } from './protocol.ts';
import type { DaemonRequest } from './server.ts';
import type { DaemonParts, DaemonService } from './services.ts';
import { claimPath } from './spool.ts';
import { watchFolder } from './watch-folder.ts';

/** Between two looks at the folder when nothing is heard of it, ms. */
const LOOK_INTERVAL = 1000;

/** Failures of the archive. Any other is of this process or its spool, and the client may do better. */
const ANSWERS: readonly ErrorCode[] = [
  'wal-not-found',
  'store-unreachable',
  'object-damaged',
  'identity-mismatch',
  'setting-invalid',
];

/** What belongs to one cluster and ends with it. */
interface Serving {
  cluster: Cluster;
  prefetcher: Prefetcher;
  control: ControlFile;
  /**
   * Up to there replay has asked for a timeline's segments as one that follows no other timeline would (branch.ts):
   * the histories in pg_wal that leave it before are none of the server's. Undefined when that is not known.
   */
  straight: { timeline: number; end: Lsn } | undefined;
}

/**
 * Fetches WAL: what is asked for on the socket, and ahead of that what replay will want next. It never writes
 * to the cluster: files stay in the spool until the client moves one, so that a client that has died leaves
 * nothing where PostgreSQL might take it for the answer to its next question.
 */
export async function createFetchService(parts: DaemonParts): Promise<DaemonService> {
  const { settings, spool, bus, deadline } = parts;
  const { fetchTimeout } = settings;
  // The store itself asks again for as long as PostgreSQL shall wait.
  const patientStore = await openStore({ ...settings, storeTimeout: fetchTimeout }, bus.emit);
  const standbyStore = await openStore({ ...settings, storeTimeout: settings.standbyFetchTimeout }, bus.emit);
  // Whoever asks for a segment that is on its way must not wait for longer than he would alone.
  const hastyStore = await openStore({ ...settings, storeTimeout: 0 }, bus.emit);
  const unwatch = watchFolder(spool.in, (event) => {
    // Files come and go by rename; what is still being written is nobody's yet.
    if (event === 'rename') serving?.prefetcher.look();
  });
  const timer = setInterval(() => serving?.prefetcher.look(), LOOK_INTERVAL).unref();
  let serving: Serving | undefined;
  let isStopping = false;

  function begin(cluster: Cluster, control: ControlFile): Serving {
    const deps: FetchDeps = {
      store: patientStore,
      usualExtension: EXTENSION_OF[settings.compressionMethod],
      fetchTimeout,
      spool: spool.folder,
      pgdata: cluster.pgdata,
      emit: bus.emit,
    };
    const prefetcher = new Prefetcher({
      folder: spool.in,
      window: new PrefetchWindow(control.segmentSize, settings.prefetchSegments),
      concurrency: settings.downloadConcurrency,
      emit: bus.emit,
      async fetch(name, path, signal) {
        const expectation = expectFile(name, control);
        const patience = await choosePatience(cluster.pgdata, settings);
        const store = patience === fetchTimeout ? patientStore : standbyStore;
        const patient = { ...deps, store, fetchTimeout: patience };
        const { bytes, extension } = await fetchPatiently(patient, expectation, path, signal);
        // An archive of another tool: its next segments have the same extension.
        if (expectation.file.kind === 'segment') deps.usualExtension = extension;
        return bytes;
      },
      async fetchAhead(name, path, signal) {
        const straight =
          found.straight?.timeline === classifyWalFile(name)?.timeline ? found.straight : undefined;
        if (await mayBeLeft(cluster.pgdata, name, control.segmentSize, straight?.end ?? 0n)) {
          throw new PgarcError('wal-not-found', `${name} may belong to another branch`);
        }
        const ahead = { ...deps, store: hastyStore };
        return (await fetchAhead(ahead, expectFile(name, control), path, signal)).bytes;
      },
    });
    const found: Serving = { cluster, control, prefetcher, straight: undefined };
    return found;
  }

  async function fetch({ query, body: destination, folder }: DaemonRequest): Promise<'done' | 'not-served'> {
    const name = query.get('name') ?? '';
    const token = query.get('as') ?? '';
    if (serving === undefined || isStopping) return 'not-served';
    if (classifyWalFile(name) === undefined || !/^[0-9A-Za-z-]{1,40}$/.test(token)) return 'not-served';
    const asked = serving;
    const { cluster, control, prefetcher } = asked;
    if (!(await isInWalFolder(destination, cluster, folder))) return 'not-served';
    const expectation = expectFile(name, control);
    const deps = { spool: spool.folder, emit: bus.emit };
    const replay = await beginReplay(deps, expectation, cluster.pgdata, destination);
    try {
      // The client hands over what of it is the server's; nothing that is kept here is ever cut short.
      if (replay?.branch !== undefined) return 'not-served';
      if (replay !== undefined) asked.straight = endOf(name, control.segmentSize);
      await prefetcher.provide(name, {
        path: claimPath(spool.in, name, token),
        isReplay: replay !== undefined,
      });
      await replay?.granted();
      // Replay may leave the timeline of what was fetched ahead.
      if (name.endsWith('.history')) prefetcher.forget();
      // Checked for this cluster; another one in the same place is noticed only once a second.
      return (await isSameCluster(cluster, cluster.pgdata)) ? 'done' : 'not-served';
    } catch (error) {
      const { code, message } = toFailure(error);
      // The launcher would hand over whole what is at hand of an older timeline.
      if (await replay?.refused()) prefetcher.forget();
      if (code === 'interrupted') return 'not-served';
      if (code !== 'wal-not-found') bus.emit({ type: 'walFetchFailed', name, code, message });
      if (ANSWERS.includes(code)) throw error;
      return 'not-served';
    }
  }

  deadline.addEventListener('abort', () => serving?.prefetcher.abort(deadline.reason as PgarcError), {
    once: true,
  });
  return {
    routes: { '/wal-fetch': fetch },
    async clusterFound(cluster) {
      serving = begin(cluster, await readControlFile(cluster.pgdata));
    },
    async clusterLost() {
      const lost = serving;
      serving = undefined;
      lost?.prefetcher.abort(
        new PgarcError('interrupted', `${lost.cluster.pgdata} holds another cluster now`),
      );
      await lost?.prefetcher.stop();
    },
    async stop() {
      isStopping = true;
      await serving?.prefetcher.stop();
      serving = undefined;
      clearInterval(timer);
      unwatch();
      patientStore.close();
      standbyStore.close();
      hastyStore.close();
    },
  };
}

/** Undefined for a history file, which may lead replay elsewhere. */
function endOf(name: string, segmentSize: number): Serving['straight'] {
  const segment = parseSegmentName(name, segmentSize);
  if (segment === undefined) return undefined;
  return { timeline: segment.timeline, end: segmentStart(segment, segmentSize) + BigInt(segmentSize) };
}
