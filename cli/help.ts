import type { Command } from 'commander';

/** What each exit code means, for --help; docs/errors.md says more. */
const MEANINGS: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failure',
  2: 'wrong usage or settings',
  3: 'done, with warnings',
  4: 'refused by a safety check, nothing changed',
  5: 'no such backup',
  6: 'another run holds the lock',
  7: 'store, PostgreSQL or etcd unreachable',
  8: 'verification failed',
  9: 'target outside the window',
  74: 'the WAL file is not in the archive',
  75: 'interrupted, try again',
  255: 'restore impossible for now: PostgreSQL stops instead of ending recovery early',
};

export interface HelpText {
  /** One to three sentences: what it does and what it needs. */
  description: string;
  /** Exit codes beside 0, 1, 2 and 75, which every command has. */
  exitCodes?: readonly number[];
  /** Command lines as a user types them. */
  examples: readonly string[];
}

/** Gives a command its description and the epilog all commands share: exit codes and examples. */
export function describe(command: Command, text: HelpText): void {
  const codes = [...new Set([0, 1, 2, ...(text.exitCodes ?? []), 75])].sort((a, b) => a - b);
  const lines = codes.map((code) => `  ${String(code).padEnd(4)} ${MEANINGS[code] ?? ''}`);
  command.description(text.description);
  command.addHelpText(
    'after',
    `\nExit codes:\n${lines.join('\n')}\n\nExamples:\n${text.examples.map((line) => `  $ ${line}`).join('\n')}\n`,
  );
}
