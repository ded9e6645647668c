import { crc32c } from '@node-rs/crc32';
import { PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import type { TarEntry } from '../format/tar.ts';
import { applyIncrement } from './increment-file.ts';
import { MARK } from './mark.ts';
import { BACKUP_LABEL, OF_NEWEST_ONLY, type Step, TABLESPACE_MAP } from './plan.ts';
import type { MemberHandler } from './read-part.ts';
import type { Tree } from './tree.ts';

export const AUTO_CONF = 'postgresql.auto.conf';

/** A file that is written by hand at the end. */
export interface KeptFile {
  content: Buffer;
  mode: number;
}

/** A symlink of the data directory that is no tablespace. */
export interface KeptLink {
  path: string;
  target: string;
}

/** What was kept back while the parts were unpacked. */
export interface KeptBack {
  files: Map<string, KeptFile>;
  links: KeptLink[];
  /** Recorded nowhere, hence left out. */
  foreign: string[];
  rootMode: number | undefined;
}

/** Where extractInto begins: no member has come yet. */
export function keepNothing(): KeptBack {
  return { files: new Map(), links: [], foreign: [], rootMode: undefined };
}

/** Without pg_control no server starts on what has been unpacked so far; the others are edited. */
const KEPT: ReadonlySet<string> = new Set([CONTROL_FILE, BACKUP_LABEL, TABLESPACE_MAP, AUTO_CONF]);
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/** Of a restore that was killed when it was whole; another tool takes it into a backup. */
const MARK_OF_TABLESPACE = new RegExp(`^pg_tblspc/\\d+/${MARK.replaceAll('.', '\\.')}$`);

/** Left over from a running server, an earlier recovery or restore; they would mislead the restored one. */
const UNWANTED: ReadonlySet<string> = new Set([
  MARK,
  'postmaster.pid',
  'postmaster.opts',
  'backup_manifest',
  'recovery.signal',
  'standby.signal',
]);

/**
 * Unpacks members of one backup of the chain into the tree.
 * @param links paths of the tablespaces' symlinks, which exist
 */
export function extractInto(
  tree: Tree,
  step: Step,
  links: ReadonlySet<string>,
  kept: KeptBack,
): MemberHandler {
  const { ledger, isNewest, increments } = step;
  return {
    directory(path, entry) {
      // The newest backup lists all directories there are.
      if (!isNewest) return;
      ledger.note(path);
      if (links.has(path)) return;
      tree.makeDirectory(path, entry.mode);
      if (path === '') kept.rootMode = entry.mode;
    },

    async file(path, entry, body) {
      if (OF_NEWEST_ONLY.has(path) ? !isNewest : !ledger.expects(path)) {
        if (isNewest) kept.foreign.push(path);
        return;
      }
      if (path === '') throw new PgarcError('object-damaged', 'a file has no name');
      if (increments.has(path)) {
        await applyIncrement(tree, path, entry, body);
        ledger.arrive(path, entry.size, 0);
      } else if (KEPT.has(path)) {
        const content = await readKept(path, entry, body);
        ledger.arrive(path, content.length, crc32c(content));
        kept.files.set(path, { content, mode: entry.mode });
      } else if (UNWANTED.has(path) || MARK_OF_TABLESPACE.test(path)) {
        ledger.note(path);
      } else {
        const written = await tree.writeFile(path, entry.mode, entry.size, body);
        ledger.arrive(path, written.size, written.crc32c);
      }
    },

    symlink(path, entry) {
      ledger.note(path);
      if (isNewest && !links.has(path)) kept.links.push({ path, target: entry.linkName ?? '' });
    },
  };
}

async function readKept(path: string, entry: TarEntry, body: AsyncIterable<Buffer>): Promise<Buffer> {
  if (entry.size > MAX_KEPT_BYTES) {
    throw new PgarcError('object-damaged', `${path} has ${entry.size} bytes, more than it can have`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
