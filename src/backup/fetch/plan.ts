import { PgarcError } from '../../errors.ts';
import { CONTROL_FILE } from '../../postgres/control-file.ts';
import { filesMetadataKey } from '../format/keys.ts';
import type { BackupContents, FileState, StoredPart } from './contents.ts';
import type { BackupForm } from './form.ts';
import { type Expected, Ledger, type MemberRules } from './ledger.ts';

/** What is taken from one backup of a chain. */
export interface Step {
  contents: BackupContents;
  parts: readonly StoredPart[];
  ledger: Ledger;
  /** Members that hold only the changed pages of a file. */
  increments: ReadonlySet<string>;
  /** The backup that is restored, as opposed to one it is built on. */
  isNewest: boolean;
}

export const BACKUP_LABEL = 'backup_label';
export const TABLESPACE_MAP = 'tablespace_map';

/** Files of which the newest backup's copy counts, and which no files_metadata.json lists. */
export const OF_NEWEST_ONLY: ReadonlySet<string> = new Set([CONTROL_FILE, BACKUP_LABEL, TABLESPACE_MAP]);

const TAR_OF_NEWEST_ONLY = /^(pg_control|backup_label)\.tar/;

/**
 * Plans a restore from a chain, the full backup first: from each backup only what its successors do not
 * replace or drop. Pure.
 * @throws PgarcError `object-damaged` when a delta calls a file unchanged that its parent does not have
 */
export function planSteps(chain: readonly BackupContents[]): Step[] {
  const steps: Step[] = [];
  let needed: ReadonlySet<string> | undefined;
  for (const contents of chain.toReversed()) {
    const isNewest = needed === undefined;
    const wanted = needed ?? allOf(contents);
    const increments = new Set<string>();
    const unfinished = new Set<string>();
    const expected = new Map<string, Expected>();
    for (const path of wanted ?? []) {
      const state = stateOf(contents, path);
      if (state !== 'unchanged') expected.set(path, {});
      if (state === 'increment') increments.add(path);
      if (state !== 'whole') unfinished.add(path);
    }
    if (unfinished.size > 0 && contents.backup.kind !== 'delta') {
      throw broken(contents, `${first(unfinished)} is called unchanged in a backup that has no parent`);
    }
    for (const file of contents.manifest?.files ?? []) {
      if (wanted?.has(file.path)) expected.set(file.path, { size: file.size, crc32c: file.crc32c });
    }
    steps.unshift({
      contents,
      parts: contents.parts.filter((part) => isPartNeeded(contents, part, expected, isNewest)),
      ledger: new Ledger(
        wanted === undefined ? undefined : expected,
        isNewest ? rulesOf(contents.form) : undefined,
      ),
      increments,
      isNewest,
    });
    needed = unfinished;
  }
  return steps;
}

/**
 * A streamed backup's last member is pg_control, which also has its own tar: without a list of files only that it
 * came from both tells that the last part is there.
 */
function rulesOf(form: BackupForm): MemberRules {
  if (form === 'streamed') return { mayComeTwice: OF_NEWEST_ONLY };
  if (form !== 'streamed-unlisted') return {};
  return {
    mustCome: new Set([BACKUP_LABEL]),
    mayComeTwice: OF_NEWEST_ONLY,
    mustComeTwice: new Set([CONTROL_FILE]),
  };
}

/** Everything a backup is on record to hold, or undefined when nothing is. */
function allOf(contents: BackupContents): ReadonlySet<string> | undefined {
  if (contents.manifest !== undefined) return new Set(contents.manifest.files.map((file) => file.path));
  return contents.files === undefined ? undefined : new Set(contents.files.keys());
}

function stateOf(contents: BackupContents, path: string): FileState {
  if (contents.files === undefined) return 'whole';
  const state = contents.files.get(path);
  if (state === undefined) throw broken(contents, `it lacks ${path}, on which a later backup is built`);
  return state;
}

function isPartNeeded(
  contents: BackupContents,
  part: StoredPart,
  expected: ReadonlyMap<string, Expected>,
  isNewest: boolean,
): boolean {
  if (isNewest) return true;
  if (TAR_OF_NEWEST_ONLY.test(part.name)) return false;
  const members = contents.members.get(part.name);
  return members === undefined || members.some((path) => expected.has(path));
}

function broken(contents: BackupContents, reason: string): PgarcError {
  const key = filesMetadataKey(contents.backup.name);
  return new PgarcError('object-damaged', `${key} is damaged: ${reason}`, { details: { key } });
}

function first(paths: ReadonlySet<string>): string {
  return paths.values().next().value ?? '';
}
