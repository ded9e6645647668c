import type { ServerFacts } from '../postgres/server.ts';
import { formatVersion, majorVersion, requireKnownVersion } from '../postgres/version.ts';
import type { Finding } from './finding.ts';

/** Newest major version whose files and functions pgarc knows. */
const NEWEST = 18;
const SHOWN_COMMAND = 120;

/** The server that answered. @throws PgarcError `refused` for one that is too old */
export function checkVersion(facts: ServerFacts, address: string): Finding {
  requireKnownVersion(facts.versionNumber);
  const role = facts.inRecovery ? 'standby' : 'primary';
  const message = `${role} of version ${formatVersion(facts.versionNumber)} at ${address}`;
  if (majorVersion(facts.versionNumber) <= NEWEST) return { name: 'postgres', status: 'ok', message };
  return {
    name: 'postgres',
    status: 'warning',
    message: `${message}, newer than this pgarc knows`,
    hint: 'Update pgarc.',
  };
}

/** Whether WAL holds what a restore needs. */
export function checkWalLevel({ walLevel }: ServerFacts): Finding {
  if (walLevel !== 'minimal') return { name: 'wal-level', status: 'ok', message: walLevel };
  return {
    name: 'wal-level',
    status: 'failed',
    message: 'minimal: WAL does not hold what a restore needs',
    hint: "Set wal_level = 'replica', restart the server and take a backup: none from before leads past this time.",
  };
}

/** Whether this server archives at all. */
export function checkArchiveMode({ archiveMode, inRecovery }: ServerFacts): Finding {
  if (archiveMode === 'off') {
    return {
      name: 'archive-mode',
      status: severityOf(inRecovery),
      message: inRecovery ? 'off: nothing is archived here once it is promoted' : 'off: no WAL is archived',
      hint: 'Set archive_mode = on and restart the server.',
    };
  }
  const who = inRecovery && archiveMode === 'on' ? ' (a standby: its primary archives)' : '';
  return { name: 'archive-mode', status: 'ok', message: `${archiveMode}${who}` };
}

/** Whether it is pgarc that archives. */
export function checkArchiveCommand(facts: ServerFacts): Finding {
  const { archiveMode, archiveCommand, archiveLibrary, inRecovery } = facts;
  const name = 'archive-command';
  const hint = "Set archive_command = 'pgarc wal-push %p' and reload the server.";
  if (archiveMode === 'off') return { name, status: 'skipped', message: 'archive_mode is off' };
  if (archiveLibrary !== '') {
    const message = `archive_library = ${archiveLibrary} archives, not archive_command`;
    return {
      name,
      status: severityOf(inRecovery),
      message,
      hint: 'Empty archive_library and set archive_command.',
    };
  }
  if (archiveCommand === '') return { name, status: severityOf(inRecovery), message: 'it is empty', hint };
  if (/\bpgarc\b/.test(archiveCommand) && archiveCommand.includes('%p')) {
    return { name, status: 'ok', message: 'it calls pgarc' };
  }
  const shown = archiveCommand.slice(0, SHOWN_COMMAND);
  // It may be a script of theirs that calls pgarc: the round trip decides.
  return { name, status: 'warning', message: `it does not call pgarc with %p: ${shown}`, hint };
}

/** A standby need not archive, as long as it is one. */
function severityOf(inRecovery: boolean): 'warning' | 'failed' {
  return inRecovery ? 'warning' : 'failed';
}
