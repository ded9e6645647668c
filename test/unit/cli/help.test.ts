import { Command } from 'commander';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../../cli/commands.ts';
import type { CliContext } from '../../../cli/context.ts';
import { addSettingOptions } from '../../../cli/setting-options.ts';
import { runPgarc } from '../../support/pgarc.ts';

/** The exit codes that a command's --help lists. */
async function listCodes(command: string): Promise<string[]> {
  const { code, stdout } = await runPgarc([command, '--help']);
  expect(code).toBe(0);
  const part = stdout.slice(stdout.indexOf('Exit codes:'), stdout.indexOf('Examples:'));
  return [...part.matchAll(/^ {2}(\d+) +\S/gm)].map(([, digits]) => digits!);
}

test.for([
  ['replica-bootstrap', ['0', '1', '2']],
  ['bootstrap', ['0', '1', '2', '4', '5', '6', '7', '8', '9', '75']],
  ['wal-fetch', ['0', '74', '75', '255']],
  ['wal-push', ['0', '1', '2', '4', '7', '8', '75']],
  ['backup-mark', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '75']],
] as const)('%s has exit codes %o', async ([command, codes]) => {
  expect(await listCodes(command)).toEqual(codes);
});

test.each(COMMANDS)('$name --help has what a user fills in in upper case', async ({ name, load }) => {
  const command = new Command(name);
  (await load()).define(command, {} as CliContext);
  addSettingOptions(command);
  const pages = [command, ...command.commands].map((one) => one.helpInformation()).join('');
  // The one value of --target, and commander's own words.
  const placeholders = pages.replaceAll('<immediate>', '').replace(/\[options\]|\[command\]/g, '');
  expect(placeholders.match(/<[a-z]+>|\[[a-z]+\]/g)).toBeNull();
});
