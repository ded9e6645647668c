import { type Command, Option } from 'commander';
import type { SettingKey } from '../src/config/definition.ts';
import { SCHEMA, SETTING_KEYS } from '../src/config/schema.ts';
import type { GivenSettings } from './context.ts';

const GROUP = 'Settings (`pgarc config show` names all; each is a flag):';

/**
 * Makes every setting a flag of the command and of its subcommands, the main ones visible in --help. One
 * that the command declares itself keeps the command's meaning.
 */
export function addSettingOptions(command: Command): void {
  const taken = new Set(command.options.map((option) => option.long));
  const add = (option: Option) => {
    if (!taken.has(option.long)) command.addOption(option.helpGroup(GROUP));
  };
  add(new Option('--config <FILE>', 'settings file (default: /etc/pgarc/pgarc.yaml when it exists)'));
  add(new Option('--envdir <DIR>', 'folder with one file a variable, as of daemontools'));
  for (const key of SETTING_KEYS) {
    const { name, description, main } = SCHEMA[key];
    const option = new Option(`--${name} <VALUE>`, description);
    add(main ? option : option.hideHelp());
  }
  for (const child of command.commands) {
    command.enablePositionalOptions();
    addSettingOptions(child);
  }
}

/** What was given on the command line, nearest to the command strongest. */
export interface GivenOptions {
  settings: GivenSettings;
  config: string | undefined;
  envdir: string | undefined;
}

/** Collects the flags of a command and of the commands above it. */
export function collectSettingOptions(command: Command): GivenOptions {
  const merged: Record<string, unknown> = {};
  for (let current: Command | null = command; current !== null; current = current.parent) {
    for (const [name, value] of Object.entries(current.opts())) {
      if (current.getOptionValueSource(name) === 'cli') merged[name] ??= value;
    }
  }
  const read = (name: string) => (typeof merged[name] === 'string' ? merged[name] : undefined);
  const settings: { [K in SettingKey]?: string | undefined } = {};
  for (const key of SETTING_KEYS) settings[key] = read(key);
  return { settings, config: read('config'), envdir: read('envdir') };
}
