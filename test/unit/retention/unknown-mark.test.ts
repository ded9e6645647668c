import { expect, it } from 'vitest';
import { metadataKey, sentinelKey } from '../../../src/backup/format/keys.ts';
import { retain } from '../../../src/retention/retain.ts';
import { warningsOf } from '../../../src/retention/warnings.ts';
import { rules } from './fixture.ts';
import { seeded, World } from './world.ts';

it('keeps a backup whose metadata.json cannot be read, and names the object', async () => {
  const { store, time } = new World(seeded(1), {});
  const run = (confirm: boolean) => {
    const options = { rules: rules({ full: 1 }), confirm, now: new Date(time), rate: 1e9 };
    return retain({ store, emit: () => undefined }, options, new AbortController().signal);
  };
  const before = (await run(false)).plan.dropped.map(({ name }) => name);
  const [name = ''] = before;
  await store.put(metadataKey(name), Buffer.from('{"is_permanent":tr'));
  const result = await run(true);
  expect(result.applied?.backups).not.toContain(name);
  expect(store.objects.has(sentinelKey(name))).toBe(true);
  const decision = result.plan.decisions.find(({ backup }) => backup.name === name);
  expect(decision).toMatchObject({ keep: true, reasons: expect.arrayContaining(['may be permanent']) });
  const warning = warningsOf(result).find((text) => text.startsWith(name));
  expect(warning).toContain(metadataKey(name));
  expect(warning).toContain(`pgarc backup-mark ${name} --impermanent`);
});
