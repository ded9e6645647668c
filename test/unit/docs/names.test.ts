import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../../cli/commands.ts';
import type { CliContext } from '../../../cli/context.ts';
import { addSettingOptions } from '../../../cli/setting-options.ts';
import { ROOT } from '../../support/pgarc.ts';
import { PAGES, readPage, splitPage } from './pages.ts';

const program = new Command('pgarc');

beforeAll(async () => {
  for (const { name, load } of COMMANDS) {
    const command = program.command(name).option('-h, --help');
    (await load()).define(command, {} as CliContext);
    addSettingOptions(command);
  }
});

/** Command lines of pgarc in a page: in blocks for a shell, and in `code`. */
function findCommandLines(page: string): string[] {
  const { prose, blocks } = splitPage(readPage(page));
  const typed = blocks.flatMap(({ language, text }) => {
    if (language === 'console') return [...text.matchAll(/^\$ (.*(?:\n> .*)*)/gm)].map(([, line]) => line!);
    return ['', 'sh', 'ini', 'yaml'].includes(language) ? text.split('\n') : [];
  });
  const quoted = [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replaceAll('\n', ' '));
  return [...typed, ...quoted].flatMap((line) =>
    [...line.matchAll(/(?<![\w./-])pgarc(?: +[^`|;&<>()]*|$)/g)].map(([match]) => match.trim()),
  );
}

/** What of a command line does not exist; undefined when all does. */
function findUnknown(line: string): string | undefined {
  const [, ...words] = line.replace(/['"]/g, ' ').split(/\s+/);
  // Some command, or the program itself.
  if (words.length === 0 || /^([A-Z…]|--(help|version)$)/.test(words[0]!)) return undefined;
  let command: Command | undefined;
  for (const word of words) {
    if (word === '#') return undefined;
    if (word.startsWith('--')) {
      const flag = word.replace(/[=,.].*$/, '');
      if (!command?.options.some(({ long }) => long === flag)) return flag;
      continue;
    }
    const next: Command | undefined = (command ?? program).commands.find((one) => one.name() === word);
    if (command === undefined && next === undefined) return word;
    command = next ?? command;
  }
  return undefined;
}

test.each(PAGES)('the commands and options that %s names exist', (page) => {
  const unknown = findCommandLines(page).flatMap((line) => {
    const word = findUnknown(line);
    return word === undefined ? [] : [`${word} in: ${line}`];
  });
  expect(unknown).toEqual([]);
});

test('a command line is judged', () => {
  expect(findUnknown('pgarc backup-fetch LATEST --target-time 12:00 --store x')).toBeUndefined();
  expect(findUnknown('pgarc schedule run backup')).toBeUndefined();
  expect(findUnknown('pgarc backup-fetsch LATEST')).toBe('backup-fetsch');
  expect(findUnknown('pgarc wal-verify --jsonn')).toBe('--jsonn');
});

test('the metrics that pages name exist', () => {
  const source = ['src/daemon', 'src/replica']
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name)))
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  for (const page of PAGES) {
    for (const [name] of readPage(page).matchAll(/\bpgarc_[a-z_]+\b/g)) {
      expect(source, `${name} of ${page}`).toContain(`'${name.replace(/_(bucket|sum|count)$/, '')}'`);
    }
  }
});
