import type { Command } from 'commander';
import type { SettingKey } from '../../src/config/definition.ts';
import { describeOrigin, type ResolvedSettings } from '../../src/config/resolve.ts';
import { SCHEMA, SETTING_KEYS } from '../../src/config/schema.ts';
import { variablesOf } from '../../src/config/variables.ts';
import { checkTogether } from '../check-settings.ts';
import type { CliContext } from '../context.ts';
import { describe } from '../help.ts';
import { renderTable } from '../render-table.ts';

export function define(command: Command, context: CliContext): void {
  command.usage('show [options]');
  const show = command.command('show').summary('show every setting and where it came from');
  describe(show, {
    description:
      'Prints every setting with its value and where that came from: a flag, the environment, the settings file or the default. Secrets are shown as ***.',
    examples: [
      'pgarc config show',
      'pgarc --envdir /etc/wal-e.d/env config show',
      'pgarc config show --json',
    ],
  });
  show.option('--json', 'one JSON document').action(async (options: { json?: boolean }) => {
    const resolved = await context.resolveSettings();
    if (options.json) context.printJson(toDocument(resolved));
    else context.stdout.write(renderSettings(resolved));
    for (const message of resolved.warnings) context.emit({ type: 'warning', message });
    await checkTogether(resolved.settings);
  });
}

/** The document of --json. Durations are ms, sizes bytes. */
function toDocument({ settings, origins, warnings }: ResolvedSettings): unknown {
  return {
    settings: SETTING_KEYS.map((key) => ({
      name: SCHEMA[key].name,
      value: hideSecret(key, settings[key] ?? null),
      source: origins[key].kind,
      origin: origins[key].kind === 'default' ? null : origins[key].name,
      variables: variablesOf(key).map(({ name }) => name),
    })),
    warnings,
  };
}

function renderSettings({ settings, origins }: ResolvedSettings): string {
  const rows = SETTING_KEYS.map((key) => {
    const { name, fallbackText } = SCHEMA[key];
    const value = settings[key];
    const unset = fallbackText === undefined ? '-' : `(${fallbackText})`;
    const shown = value === undefined ? unset : String(hideSecret(key, formatSetting(key, value)));
    return [name, shown === '' ? '-' : shown, describeOrigin(origins[key])];
  });
  return renderTable(['setting', 'value', 'from'], rows);
}

function formatSetting(key: SettingKey, value: unknown): string {
  return (SCHEMA[key].type.format as (value: unknown) => string)(value);
}

function hideSecret(key: SettingKey, value: unknown): unknown {
  return SCHEMA[key].secret && value !== null && value !== undefined ? '***' : value;
}
