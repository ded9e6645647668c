import { PgarcError } from '../../errors.ts';
import type { Backup } from '../catalog.ts';
import { sentinelKey } from '../format/keys.ts';

/**
 * A backup and everything it is built on, the full backup first.
 * @throws PgarcError `object-missing` when one of them is not there, `object-damaged` when they do not fit
 */
export function resolveChain(backups: readonly Backup[], backup: Backup): Backup[] {
  const byName = new Map(backups.map((one) => [one.name, one]));
  const chain = [backup];
  for (let link = backup; link.kind === 'delta'; ) {
    const parent = link.parent === undefined ? undefined : byName.get(link.parent);
    if (parent === undefined) {
      throw new PgarcError(
        'object-missing',
        `delta backup ${link.name} is built on ${link.parent ?? 'an unknown backup'}, which is not in the archive`,
        { details: { key: sentinelKey(link.parent ?? '') } },
      );
    }
    if (!parent.usable || chain.includes(parent) || parent.startLsn >= link.startLsn) {
      throw mismatch(link, parent, 'cannot be its parent');
    }
    if (parent.systemIdentifier !== link.systemIdentifier)
      throw mismatch(link, parent, 'is of another cluster');
    chain.unshift(parent);
    link = parent;
  }
  return chain;
}

/** Deltas that are built on `backup`, directly or not. */
export function findDependents(backups: readonly Backup[], backup: Backup): Backup[] {
  const names = new Set([backup.name]);
  const found: Backup[] = [];
  // A delta is always newer than its parent, but the order of finish times is only by the clocks.
  for (let grown = true; grown; ) {
    grown = false;
    for (const one of backups) {
      if (one.parent === undefined || !names.has(one.parent) || names.has(one.name)) continue;
      names.add(one.name);
      found.push(one);
      grown = true;
    }
  }
  return found;
}

function mismatch(link: Backup, parent: Backup, why: string): PgarcError {
  return new PgarcError(
    'object-damaged',
    `delta backup ${link.name} is built on ${parent.name}, which ${why}`,
    { details: { key: sentinelKey(link.name) } },
  );
}
