import type { Command } from 'commander';

/** What each exit code means, for --help; docs/errors.md says more. */
const MEANINGS: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failure',
  2: 'wrong usage or settings',
  3: 'done, but not whole, or something needs attention',
  4: 'refused by a safety check, or no space; nothing changed',
  5: 'no such backup',
  6: 'another run holds the lock',
  7: 'store, PostgreSQL or etcd unreachable',
  8: 'verification failed',
  9: 'target outside the window',
  74: 'the WAL file is not in the archive',
  75: 'interrupted, try again',
  255: 'a failure while the server recovers; PostgreSQL stops instead of promoting',
};

export interface HelpText {
  /** One to three sentences: what it does and what it needs. */
  description: string;
  /** Exit codes beside 0, 1, 2 and 75, which every command has (of them wal-fetch only 0 and 75). */
  exitCodes?: readonly number[];
  /** All exit codes and what they mean, for a command whose caller knows no others. */
  onlyExitCodes?: Readonly<Record<number, string>>;
  /** Command lines as a user types them. */
  examples: readonly string[];
}

/** Gives a command its description and the epilog all commands share: exit codes and examples. */
export function describe(command: Command, text: HelpText): void {
  const meanings = text.onlyExitCodes ?? chooseMeanings(text.exitCodes ?? []);
  const lines = Object.entries(meanings).map(([code, meaning]) => `  ${code.padEnd(4)} ${meaning}`);
  command.description(text.description);
  // A line of postgresql.conf is no command line.
  const examples = text.examples.map((line) => (line.includes(' = ') ? `  ${line}` : `  $ ${line}`));
  command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}\n\nExamples:\n${examples.join('\n')}\n`);
}

function chooseMeanings(own: readonly number[]): Record<number, string> {
  // A command that can stop PostgreSQL's recovery has no other code for a failure (exit-code.ts).
  const common = own.includes(255) ? [0, 75] : [0, 1, 2, 75];
  return Object.fromEntries([...common, ...own].map((code) => [code, MEANINGS[code] ?? '']));
}
