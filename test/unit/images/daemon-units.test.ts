import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { SCHEMA } from '../../../src/config/schema.ts';
import { ROOT } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

const UNIT = `${ROOT}/images/systemd/pgarc.service`;
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** Lines `Name=value`, each with the line above it. */
async function directives(): Promise<{ line: string; above: string }[]> {
  const lines = (await readFile(UNIT, 'utf8')).split('\n');
  return lines.flatMap((line, at) => (/^\w+=/.test(line) ? [{ line, above: lines[at - 1] ?? '' }] : []));
}

it('explains every line of the systemd unit', async () => {
  const all = await directives();
  expect(all.length).toBeGreaterThan(40);
  for (const { line, above } of all) expect(above, line).toMatch(/^# .*\.$/);
});

it('leaves the shared memory of a server with the same account alone', async () => {
  const lines = (await directives()).map(({ line }) => line);
  expect(lines).toEqual(
    expect.arrayContaining(['User=postgres', 'RemoveIPC=no', 'NoNewPrivileges=yes', 'ProtectSystem=strict']),
  );
});

it('is ordered against the server itself, and keeps it waiting for nothing', async () => {
  const lines = (await directives()).map(({ line }) => line);
  // Debian's postgresql.service is none: it only stands for its clusters.
  for (const server of ['postgresql@15-main', 'postgresql-15', 'postgresql'])
    expect(lines).toContain(`Before=${server}.service`);
  expect(lines.filter((line) => /^(After|Wants|Requires)=/.test(line))).toEqual(['After=network.target']);
});

it('leaves to the settings file what the two commands read there', async () => {
  const lines = (await directives()).map(({ line }) => line);
  expect(lines.filter((line) => line.startsWith('Environment='))).toEqual([
    'Environment=PGARC_LOG_FORMAT=json',
  ]);
});

it.runIf(hasSystemd)('passes systemd-analyze verify, and is hardened', async () => {
  const copy = join(await makeTemporaryFolder('unit'), 'pgarc.service');
  // The one thing that need not be installed here.
  await writeFile(copy, (await readFile(UNIT, 'utf8')).replace('/usr/bin/pgarc', '/bin/true'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', copy], { encoding: 'utf8' });
  expect({ status, stderr: stderr.split('\n').filter((line) => line.includes('pgarc.service')) }).toEqual({
    status: 0,
    stderr: [],
  });
  const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', copy], { encoding: 'utf8' });
  const level = /exposure level for pgarc.service: ([\d.]+)/.exec(stdout)?.[1];
  if (level !== undefined) expect(Number(level)).toBeLessThan(2.5);
});

it('has a compose service that reads the cluster and writes to the spool only', async () => {
  const file = parse(await readFile(`${ROOT}/images/compose/daemon.yaml`, 'utf8')) as {
    services: { pgarc: { volumes: string[]; read_only: boolean; healthcheck: { test: string[] } } };
  };
  const { pgarc } = file.services;
  expect(pgarc).toMatchObject({ read_only: true, cap_drop: ['ALL'], pid: 'service:postgres' });
  expect(pgarc.volumes.filter((volume) => !volume.endsWith(':ro'))).toEqual(['spool:/var/spool/pgarc']);
  const port = SCHEMA.httpListen
    .fallback?.({ processors: 1, defaultSpool: '', hostname: 'node-1' }, {} as never)
    .split(':')[1];
  expect(pgarc.healthcheck.test.join(' ')).toContain(`:${port}/livez`);
});
