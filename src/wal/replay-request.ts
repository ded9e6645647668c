import { createHash } from 'node:crypto';
import { access, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Emit } from '../report/events.ts';
import { type Branch, findBranch, isProof } from './branch.ts';
import type { WalFile } from './file-name.ts';
import { parseSegmentName } from './segment.ts';

export interface ReplayDeps {
  spool: string;
  emit: Emit;
}

/** Where a server's replay stands: its data directory, and the size of its segments in bytes. */
export interface ReplayPlace {
  pgdata: string;
  segmentSize: number;
}

/**
 * One request of a server's replay, seen together with those just before it that got nothing, which prove what history
 * the server follows (branch.ts). They are kept in a note in the spool, for each request may be answered by another
 * process, the daemon among them.
 *
 * The note holds segments of one number, of falling timelines. It ends with the next request that is granted, with a
 * history file, since only one can lead PostgreSQL to another history (rescanLatestTimeLine looks for the files one by
 * one before it takes one), and with the server's life: a restart may change recovery_target_timeline. It is written
 * only where it can prove something, and only when it changes: a standby at the end of the archive writes nothing each
 * time it asks. Why a request got nothing does not matter, since PostgreSQL goes on to the next timeline all the same.
 * Where the note is missing or cannot be believed, the server gets segments whole.
 */
export class ReplayRequest {
  /** What of the segment is the server's; undefined for all of it. */
  readonly branch: Branch | undefined;
  readonly #note: Note;
  readonly #file: WalFile;
  readonly #place: ReplayPlace;
  readonly #asked: readonly string[];

  static async begin(deps: ReplayDeps, file: WalFile, place: ReplayPlace): Promise<ReplayRequest> {
    const note = new Note(deps, await realpath(place.pgdata).catch(() => place.pgdata));
    const asked = await note.read();
    const branch = await findBranch(place.pgdata, file.name, place.segmentSize, asked);
    return new ReplayRequest(note, file, place, asked, branch);
  }

  private constructor(
    note: Note,
    file: WalFile,
    place: ReplayPlace,
    asked: readonly string[],
    branch: Branch | undefined,
  ) {
    this.#note = note;
    this.#file = file;
    this.#place = place;
    this.#asked = asked;
    this.branch = branch;
  }

  /** To be called once the file was handed over. */
  async granted(): Promise<void> {
    // Replay stands still there, and asks in the same order again.
    if (this.branch === undefined) await this.#forget();
  }

  /**
   * To be called when the server does not get the file, before it hears of that.
   * @returns whether what is at hand for the requests that follow may not be handed over
   */
  async refused(): Promise<boolean> {
    const { kind, name } = this.#file;
    const { pgdata, segmentSize } = this.#place;
    if (kind === 'history') {
      // PostgreSQL takes it from there, where a walreceiver may have put it.
      if (this.#asked.length > 0 && (await isThere(join(pgdata, 'pg_wal', name)))) await this.#forget();
      return false;
    }
    if (this.#asked.includes(name)) return true;
    if (!(await isProof(pgdata, name, segmentSize))) return false;
    await this.#note.write([...(this.#isNext() ? this.#asked : []), name]);
    return true;
  }

  async #forget(): Promise<void> {
    if (this.#asked.length > 0) await this.#note.remove();
  }

  /** Whether the request goes on with what was asked for: the same number, an older timeline. */
  #isNext(): boolean {
    const [last, own] = [this.#asked.at(-1) ?? '', this.#file.name].map((name) =>
      parseSegmentName(name, this.#place.segmentSize),
    );
    return last !== undefined && last.number === own?.number && last.timeline > own.timeline;
  }
}

/** Counts writes: the daemon may be asked for one file several times at once. */
let writes = 0;

/** What the replay of the server in a data directory asked for. */
class Note {
  readonly #deps: ReplayDeps;
  readonly #pgdata: string;
  readonly #path: string;

  /** @param pgdata its real path */
  constructor(deps: ReplayDeps, pgdata: string) {
    this.#deps = deps;
    this.#pgdata = pgdata;
    this.#path = join(deps.spool, `replay-${createHash('sha256').update(pgdata).digest('hex')}.json`);
  }

  /** Anything wrong with it (missing, torn, of another life of the server) gives nothing. */
  async read(): Promise<string[]> {
    try {
      const note: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      const { pgdata, server, asked } = note as Record<string, unknown>;
      if (pgdata !== this.#pgdata || typeof server !== 'string' || server !== (await this.#nameServer()))
        return [];
      return Array.isArray(asked) ? asked.map(String) : [];
    } catch {
      return [];
    }
  }

  /** Replaces it, whole or not at all. A spool that cannot be written costs a warning. */
  async write(asked: readonly string[]): Promise<void> {
    const temporary = `${this.#path}.${process.pid}.${++writes}.tmp`;
    const server = await this.#nameServer();
    // Whoever asks, it is no server.
    if (server === undefined) return;
    try {
      await mkdir(this.#deps.spool, { recursive: true });
      await writeFile(temporary, `${JSON.stringify({ pgdata: this.#pgdata, server, asked })}\n`);
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      // One from before says nothing of the requests to come.
      await this.remove();
      this.#deps.emit({
        type: 'warning',
        message: `what recovery asks for cannot be kept in mind: ${messageOf(error)}`,
        hint: 'Make the spool writable for this user, or set PGARC_SPOOL; until then recovery gets what a replaced primary archived, also behind the place where its successor took over.',
      });
    }
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true }).catch(() => undefined);
  }

  /** Process id and start of the postmaster (miscinit.c, CreateLockFile); undefined when there is none. */
  async #nameServer(): Promise<string | undefined> {
    const text = await readFile(join(this.#pgdata, 'postmaster.pid'), 'utf8').catch(() => undefined);
    const [pid, , start] = text?.split('\n') ?? [];
    return start && `${pid} ${start}`;
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
