import { resolveSettings } from '../../../src/config/resolve.ts';
import type { Settings } from '../../../src/config/settings.ts';

/** Settings of a store, impatient; the rest as it is by default. */
export function storeSettings(settings: Partial<Settings> & { store: string }): Settings {
  const { settings: defaults } = resolveSettings({
    flags: {},
    environment: {},
    file: undefined,
    facts: { processors: 2, defaultSpool: '/nonexistent', hostname: 'node-1' },
    readSecretFile: () => '',
  });
  return {
    ...defaults,
    fetchTimeout: 10_000,
    requestTimeout: 5_000,
    storeTimeout: 20_000,
    archiveTimeout: 10_000,
    s3ForcePathStyle: true,
    httpListen: 'off',
    ...settings,
  };
}
