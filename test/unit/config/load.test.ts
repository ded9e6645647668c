import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyEnvdir } from '../../../src/config/envdir.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

async function writeSettings(content: string): Promise<string> {
  const path = join(await makeTemporaryFolder(), 'pgarc.yaml');
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

function load(config: string | undefined, environment: Record<string, string> = {}) {
  return loadSettings({ flags: {}, environment: { HOME: '/home/me', ...environment }, config });
}

describe('loadSettings', () => {
  it('reads a file named by --config or PGARC_CONFIG', async () => {
    const path = await writeSettings(
      '# mine\nstore: s3://bucket/p\nfetch-timeout: 3s\npg-port: 5433\netcd-endpoints:\n  - a:2379\n  - b:2379\nscope:\n',
    );
    const { settings, origins } = await load(path);
    expect(settings).toMatchObject({
      store: 's3://bucket/p',
      fetchTimeout: 3000,
      pgPort: 5433,
      etcdEndpoints: ['a:2379', 'b:2379'],
      scope: undefined,
    });
    expect(origins.store).toEqual({ kind: 'file', name: `${path}:store` });
    expect((await load(undefined, { PGARC_CONFIG: path })).settings.pgPort).toBe(5433);
  });

  it('takes a map as the settings whose names begin with its key', async () => {
    const path = await writeSettings('schedule:\n  backup:\n    cron: 30 2 * * *\n    catch-up: true\n');
    const { settings, origins } = await load(path);
    expect(settings).toMatchObject({ scheduleBackupCron: '30 2 * * *', scheduleBackupCatchUp: true });
    expect(origins.scheduleBackupCron).toEqual({ kind: 'file', name: `${path}:schedule-backup-cron` });
    const wrong = await writeSettings('schedule:\n  backup:\n    crom: 30 2 * * *\n');
    await expect(load(wrong)).rejects.toThrow(/schedule-backup-crom.*/);
  });

  it.each([
    ['store: [', 'settings file'],
    ['- store', 'name: value'],
    ['store: a\nstore: b', 'unique'],
  ])('refuses %j', async (content, says) => {
    const path = await writeSettings(content);
    await expect(load(path)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(says) });
  });

  it('takes an empty file as one without settings', async () => {
    expect((await load(await writeSettings('# nothing yet\n'))).settings.store).toBeUndefined();
  });

  it('does without the usual file only where there is none', async () => {
    const folder = await makeTemporaryFolder();
    const loadUsual = (usualFile: string) =>
      loadSettings({ flags: {}, environment: { HOME: '/home/me' }, config: undefined, usualFile });
    expect((await loadUsual(join(folder, 'none.yaml'))).settings.store).toBeUndefined();
    // Root may read anything: a name that is too long stands for a folder that may not be entered.
    await expect(loadUsual(join(folder, 'x'.repeat(300)))).rejects.toMatchObject({
      code: 'setting-invalid',
      message: expect.stringContaining('ENAMETOOLONG'),
    });
  });

  it('names a file that is not there', async () => {
    await expect(load('/nowhere/p.yaml')).rejects.toMatchObject({
      code: 'setting-invalid',
      message: expect.stringContaining('/nowhere/p.yaml'),
    });
  });

  it('warns of a secret everybody can read', async () => {
    const path = await writeSettings('pg-password: secret\n');
    expect((await load(path)).warnings).toEqual([]);
    await chmod(path, 0o644);
    expect((await load(path)).warnings.join()).toContain(path);
  });

  it('reads a secret from its file without the line break at its end', async () => {
    const path = await writeSettings('s3cret\n');
    const { settings } = await load(undefined, { AWS_SECRET_ACCESS_KEY_FILE: path });
    expect(settings.awsSecretAccessKey).toBe('s3cret');
  });
});

describe('applyEnvdir', () => {
  it("follows daemontools' rules", async () => {
    const folder = await makeTemporaryFolder();
    await writeFile(join(folder, 'PGARC_STORE'), 's3://bucket/p \t\nsecond line\n');
    await writeFile(join(folder, 'MULTI'), 'a\0b');
    await writeFile(join(folder, 'REMOVED'), '');
    await writeFile(join(folder, 'EMPTY'), '\n');
    await writeFile(join(folder, '.hidden'), 'x');
    await mkdir(join(folder, 'folder'));
    expect(applyEnvdir(folder, { PGARC_STORE: 'old', REMOVED: 'x', KEPT: 'y' })).toEqual({
      PGARC_STORE: 's3://bucket/p',
      MULTI: 'a\nb',
      EMPTY: '',
      KEPT: 'y',
    });
  });

  it('refuses a folder it cannot read', () => {
    expect(() => applyEnvdir('/nowhere', {})).toThrow(/--envdir \/nowhere/);
  });
});
