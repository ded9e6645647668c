import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** PostgreSQL's, and the one that Patroni makes of it and includes. */
const CONF_FILES = ['postgresql.conf', 'postgresql.base.conf'];
const ARCHIVING = /^\s*(?:archive_command|archive_library)\s*(?:=|\s)\s*(.*)$/i;
/** An archive command that says by itself where it archives to. */
const NAMES_A_PLACE = /--(?:store|config|envdir)\b|\b(?:s3|file):\/\/|envdir|PGARC_STORE/;

/**
 * Takes the archiving that ALTER SYSTEM set in the source out of a clone's postgresql.auto.conf: it would win over
 * what the clone is told, and may name the source's archive.
 */
export function dropArchiving(autoConf: string): string {
  return autoConf
    .split('\n')
    .filter((line) => !ARCHIVING.test(line))
    .join('\n');
}

/** Tells of a clone's other configuration files that still archive to where the source does. */
export async function findForeignArchiving(pgdata: string): Promise<string[]> {
  const notes: string[] = [];
  for (const name of CONF_FILES) {
    const text = await readFile(join(pgdata, name), 'latin1').catch(() => '');
    const last = text
      .split('\n')
      .flatMap((line) => ARCHIVING.exec(line)?.[1] ?? [])
      .at(-1);
    if (last !== undefined && NAMES_A_PLACE.test(last)) {
      notes.push(
        `${name} has an archive_command of the source that names a store or settings: set archive_command for the clone before it is promoted`,
      );
    }
  }
  return notes;
}
