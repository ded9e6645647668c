import { crc32c } from '@node-rs/crc32';
import { PgarcError } from '../errors.ts';
import { CONTROL_FILE } from '../postgres/control-file.ts';
import type { ObjectStore } from '../store/store.ts';
import type { Backup } from './catalog.ts';
import {
  type BackupContents,
  findParts,
  readContents,
  readFileLists,
  type StoredPart,
} from './fetch/contents.ts';
import type { Ledger } from './fetch/ledger.ts';
import { BACKUP_LABEL, OF_NEWEST_ONLY, planSteps } from './fetch/plan.ts';
import { type CountBytes, readPart } from './fetch/read-part.ts';
import { filesMetadataKey, partitionsPrefix } from './format/keys.ts';
import type { Manifest } from './format/manifest.ts';
import type { Failure } from './verify.ts';

/** What a backup must turn out to hold by itself. */
export interface VerificationPlan {
  contents: BackupContents;
  parts: readonly StoredPart[];
  ledger: Ledger;
  /** The backup_label's text, once its part has been read. */
  label: string | undefined;
}

/** More than any label has, bytes. */
const MAX_LABEL_SIZE = 64 * 1024;

/** Reads a backup's lists. @throws PgarcError `object-missing`, `object-damaged` */
export async function planVerification(
  store: ObjectStore,
  backup: Backup,
  signal: AbortSignal,
): Promise<VerificationPlan> {
  const contents = await readContents(store, backup, signal);
  if (contents.manifest !== undefined) await requireSameLists(store, contents, contents.manifest, signal);
  const [step] = planSteps([contents]);
  if (step === undefined) throw new PgarcError('failed', `backup ${backup.name} cannot be planned`);
  return { contents, parts: contents.parts, ledger: step.ledger, label: undefined };
}

/** Other tools go by files_metadata.json: it must list what the manifest does. */
async function requireSameLists(
  store: ObjectStore,
  { backup, parts }: BackupContents,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  const { files, members } = await readFileLists(store, backup, signal);
  const key = filesMetadataKey(backup.name);
  const present = new Set(parts.map(({ name }) => name));
  for (const name of members.keys()) {
    if (present.has(name)) continue;
    const gone = partitionsPrefix(backup.name) + name;
    throw new PgarcError('object-missing', `${gone} is missing from the store`, { details: { key: gone } });
  }
  const unlisted = manifest.files.find(({ path }) => !OF_NEWEST_ONLY.has(path) && !files?.has(path));
  if (unlisted === undefined) return;
  throw new PgarcError('object-damaged', `${key} is damaged: it does not list ${unlisted.path}`, {
    details: { key },
  });
}

/** Reads a part to its end. @throws PgarcError `object-missing`, `object-damaged` */
export async function verifyPart(
  store: ObjectStore,
  plan: VerificationPlan,
  part: StoredPart,
  count: CountBytes,
  signal: AbortSignal,
): Promise<void> {
  const { ledger, contents } = plan;
  // Pages of an increment are checked by the stream's checksum only, a whole file also by the manifest's.
  const handler = {
    directory: (path: string) => ledger.note(path),
    symlink: (path: string) => ledger.note(path),
    async file(path: string, _entry: unknown, body: AsyncIterable<Buffer>) {
      const isCompared = contents.manifest !== undefined || OF_NEWEST_ONLY.has(path);
      const kept: Buffer[] = [];
      let crc = 0;
      let size = 0;
      for await (const chunk of body) {
        if (isCompared) crc = crc32c(chunk, crc);
        size += chunk.length;
        if (path === BACKUP_LABEL && size <= MAX_LABEL_SIZE) kept.push(Buffer.from(chunk));
      }
      if (path === BACKUP_LABEL) plan.label = Buffer.concat(kept).toString();
      if (ledger.expects(path) || OF_NEWEST_ONLY.has(path)) ledger.arrive(path, size, crc);
    },
  };
  await readPart(store, part, handler, count, signal);
}

/** What has not arrived, by the object that should have held it; not told again for one that failed. */
export async function verifyMembers(
  store: ObjectStore,
  plan: VerificationPlan,
  failures: readonly Failure[],
  signal: AbortSignal,
): Promise<Failure[]> {
  const { contents, ledger } = plan;
  const prefix = partitionsPrefix(contents.backup.name);
  if (failures.some(({ key }) => key.startsWith(prefix))) return [];
  const missing = new Set(ledger.missing());
  if (!ledger.has(CONTROL_FILE)) missing.add(CONTROL_FILE);
  if (!ledger.has(BACKUP_LABEL) && contents.backup.kind !== 'wal-e') missing.add(BACKUP_LABEL);
  if (missing.size === 0) return [];
  const [first] = missing;
  const reason = `lacks ${first}${missing.size > 1 ? ` and ${missing.size - 1} other files` : ''}`;
  const keys = await findParts(store, contents.backup, missing, signal);
  return (keys.length > 0 ? keys : [prefix]).map((key) => ({ key, reason }));
}
