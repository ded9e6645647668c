import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { copySample, SAMPLE_DELTA, SAMPLE_FULL } from './sample.ts';

let store: string;
let env: Record<string, string>;
beforeAll(async () => {
  store = await copySample();
  env = { PGARC_STORE: `file://${store}`, TZ: 'UTC' };
});

describe('backup-list, backup-mark, delete', () => {
  it('prints a table, a document, and the table of WAL-E', async () => {
    const { stdout } = await mustRunPgarc(['backup-list'], { env });
    const [header, full, delta] = stdout.split('\n');
    expect(header).toMatch(
      /^name +kind +finished +age +took +size +stored +WAL start +timeline +version +permanent$/,
    );
    expect(full).toMatch(
      new RegExp(
        `^${SAMPLE_FULL} +full +2026-11-21 12:31:52 .* 1.2 s +23.8 MiB +5.01 MiB +000000010000000000000002 +1 +15.20 +no$`,
      ),
    );
    expect(delta).toMatch(new RegExp(`^${SAMPLE_DELTA} +delta`));
    const json = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    expect(json.backups[1]).toMatchObject({ name: SAMPLE_DELTA, parent: SAMPLE_FULL, pgVersion: 150020 });
    const wale = (await mustRunPgarc(['backup-list', '--wal-e'], { env })).stdout;
    expect(wale.split('\r\n')[1]?.split('\t')).toHaveLength(7);
  });

  it('says that there are none, and succeeds', async () => {
    const empty = await makeTemporaryFolder('empty');
    const result = await mustRunPgarc(['backup-list'], { env: { PGARC_STORE: `file://${empty}` } });
    expect(result.stdout).toBe('');
    expect(result.stderr).toContain('no backups in');
  });

  it('lists a damaged backup, and warns of marking it', async () => {
    const damaged = await copySample();
    const other = { ...env, PGARC_STORE: `file://${damaged}` };
    await writeFile(join(damaged, `basebackups_005/${SAMPLE_FULL}_backup_stop_sentinel.json`), '{');
    expect((await mustRunPgarc(['backup-list'], { env: other })).stdout).toContain(`${SAMPLE_FULL}  `);
    const marked = await runPgarc(['backup-mark', SAMPLE_FULL], { env: other });
    expect(marked).toMatchObject({ code: 3, stdout: `${SAMPLE_FULL} is now permanent\n` });
    expect(marked.stderr).toContain(`${SAMPLE_FULL} cannot be used: sentinel`);
    await mustRunPgarc(['backup-mark', SAMPLE_FULL, '--impermanent'], { env: other });
  });

  it('says of an archive without backups that nothing is verified', async () => {
    const empty = { PGARC_STORE: `file://${await makeTemporaryFolder('empty')}` };
    const result = await runPgarc(['verify'], { env: empty });
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(result.stderr).toContain('there is no backup in ');
    const json = await runPgarc(['verify', '--json'], { env: empty });
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, backups: [], failures: [] });
    const wal = await runPgarc(['wal-verify'], { env: empty });
    expect(wal).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('there is no WAL in '),
    });
    const walJson = await runPgarc(['wal-verify', '--json'], { env: empty });
    expect(JSON.parse(walJson.stdout)).toMatchObject({ ok: false, segments: 0 });
  });

  it('gives a terminal no control characters of names that others chose', async () => {
    const foreign = await copySample();
    const name = 'base_\x1b[2J\n000';
    await writeFile(join(foreign, `basebackups_005/${name}_backup_stop_sentinel.json`), '{');
    const other = { PGARC_STORE: `file://${foreign}` };
    const { stdout } = await mustRunPgarc(['backup-list'], { env: other });
    expect(stdout).toContain('base_\\x1b[2J\\x0a000 ');
    expect(stdout).not.toContain('\x1b');
    const verified = await runPgarc(['verify', name], { env: other });
    expect(verified.stdout).toMatch(/^FAILED {2}basebackups_005\/base_\\x1b\[2J\\x0a000_backup/);
    const json = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env: other })).stdout);
    expect(json.backups.map((backup: { name: string }) => backup.name)).toContain(name);
  });

  it('writes nothing but JSON lines to stderr with --log-format json', async () => {
    const empty = { PGARC_STORE: `file://${await makeTemporaryFolder('empty')}` };
    for (const [args, where] of [
      [['delete', SAMPLE_DELTA], env],
      [['retain', '--keep-full', '1'], env],
      [['backup-list'], empty],
    ] as const) {
      const { stderr } = await runPgarc([...args, '--log-format', 'json'], { env: where });
      const lines = stderr.trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line))).toContainEqual(
        expect.objectContaining({ level: 'info', event: 'note' }),
      );
    }
  });

  it('keeps a permanent backup from deletion', async () => {
    await mustRunPgarc(['backup-mark', 'LATEST'], { env });
    const metadata = await readFile(join(store, `basebackups_005/${SAMPLE_FULL}/metadata.json`), 'utf8');
    expect(metadata).toContain('"is_permanent":true');
    const refused = await runPgarc(['delete', SAMPLE_DELTA, '--confirm'], { env });
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('--impermanent') });
    await mustRunPgarc(['backup-mark', SAMPLE_DELTA, '--impermanent'], { env });
    const shown = await mustRunPgarc(['delete', SAMPLE_DELTA], { env });
    expect(shown.stdout).toContain('would delete');
    await mustRunPgarc(['delete', SAMPLE_DELTA, '--confirm'], { env });
    const left = JSON.parse((await mustRunPgarc(['backup-list', '--json'], { env })).stdout);
    expect(left.backups.map((backup: { name: string }) => backup.name)).toEqual([SAMPLE_FULL]);
    expect((await runPgarc(['delete', SAMPLE_DELTA], { env })).code).toBe(5);
  });
});
