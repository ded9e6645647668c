import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../../src/daemon/fingerprint.ts';
import { writeState } from '../../../src/daemon/state.ts';
import { type FakeCluster, makeFakeCluster } from '../../support/fake-cluster.ts';
import { PGARC } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';

/** The launcher's wal-fetch, where this very process is the daemon, and curl and Node are scripts. */

const SHELLS = [['dash'], ['bash', '--posix'], ['bash'], ['busybox', 'sh']].filter(
  ([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0,
);
const NAME = '0000000100000000000000AB';

let folder: string;
let cluster: FakeCluster;
let spool: string;
let env: Record<string, string>;
let held: FileHandle[];

beforeEach(async () => {
  folder = await makeTemporaryFolder('it has blanks');
  cluster = await makeFakeCluster(join(folder, 'my data'));
  spool = join(folder, 'my spool');
  await mkdir(join(spool, 'in'), { recursive: true });
  await mkdir(join(folder, 'bin'));
  const script = (name: string, text: string) =>
    writeFile(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  // With %{stderr}, curl writes the status there. With FILE the daemon has put the file where it was told to.
  await script(
    'curl',
    `for url; do :; done
     token=\${url##*as=}
     [ -z "$FILE" ] || echo "from the daemon" >"$FILE.$token"
     echo "asked: $url" && printf '%s' "$STATUS" >&2`,
  );
  await script('node', 'echo "Node was started, PGARC_DAEMON=$PGARC_DAEMON" >&2; exit 7');
  held = [
    await open(join(spool, 'daemon.lock'), 'a'),
    await open(join(cluster.data, 'global/pg_control'), 'r'),
  ];
  env = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    PGARC_NODE: join(folder, 'bin/node'),
    PGARC_SPOOL: spool,
    PGARC_STORE: 'file:///store',
    PGARC_CONFIG: join(folder, 'pgarc.yaml'),
    STATUS: '000',
    FILE: '',
  };
  await writeState(join(spool, 'daemon'), {
    pid: process.pid,
    lockFd: held[0]!.fd,
    controlFd: held[1]!.fd,
    settingsFd: undefined,
    pgdata: cluster.data,
    fingerprint: fingerprintOf(env, env.PGARC_CONFIG!)!,
  });
});
afterEach(async () => {
  for (const handle of held) await handle.close();
});

const prefetch = () => writeFile(join(spool, 'in', NAME), 'fetched ahead\n');
const restored = () => readFile(join(cluster.data, 'pg_wal/RECOVERYXLOG'), 'utf8').catch(() => undefined);

interface Run {
  code: number | null;
  stderr: string;
}

function run(
  shell: readonly string[],
  more: Record<string, string> = {},
  to = 'pg_wal/RECOVERYXLOG',
  cwd = cluster.data,
): Run {
  const [program, ...rest] = [...shell, PGARC, 'wal-fetch', NAME, to];
  const result = spawnSync(program!, rest, { cwd, env: { ...env, ...more }, encoding: 'utf8' });
  return { code: result.status, stderr: result.stderr };
}

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('under %s', (_, shell) => {
  it.each(['pg_wal/RECOVERYXLOG', './pg_wal/RECOVERYXLOG', 'absolute', 'another way'])(
    'moves what was fetched ahead to %s',
    async (way) => {
      await prefetch();
      await symlink(join(cluster.data, 'pg_wal'), join(folder, 'link'));
      const absolute = join(cluster.data, 'pg_wal/RECOVERYXLOG');
      const to = { absolute, 'another way': join(folder, 'link/RECOVERYXLOG') }[way] ?? way;
      expect(run(shell, {}, to, to.startsWith('/') ? '/' : cluster.data)).toEqual({ code: 0, stderr: '' });
      expect(await restored()).toBe('fetched ahead\n');
      expect(await readdir(join(spool, 'in'))).toEqual([]);
    },
  );

  it.each([
    ['200', 0, false],
    ['574', 74, false],
    ['575', 255, false],
    ['507', 255, false],
    ['508', 255, false],
    ['500', 255, true],
    ['409', 255, true],
    ['404', 255, true],
    ['000', 255, true],
    ['', 255, true],
  ])('takes the status %s for exit code %d, and asks Node then: %s', async (STATUS, code, asksNode) => {
    const result = run(shell, { STATUS, FILE: STATUS === '200' ? join(spool, 'in', NAME) : '' });
    expect(result.code).toBe(code);
    expect(result.stderr.includes('Node was started')).toBe(asksNode);
    // It need not ask a daemon that does not answer.
    if (asksNode) expect(result.stderr.includes('PGARC_DAEMON=no')).toBe(['', '000'].includes(STATUS));
    expect(result.stderr).toMatch(new RegExp(`asked: http://daemon/wal-fetch\\?name=${NAME}&as=[0-9]+\n`));
    expect(await restored()).toBe(code === 0 ? 'from the daemon\n' : undefined);
    // On a standby nothing but "ask again" and "not there".
    await writeFile(join(cluster.data, 'standby.signal'), '');
    if (code !== 0) expect(run(shell, { STATUS }).code).toBe(code === 74 ? 74 : 75);
  });

  it('asks again while the daemon says that it is still at it', async () => {
    const asked = join(folder, 'asked');
    await writeFile(
      join(folder, 'bin/curl'),
      `#!/bin/sh
echo x >>"${asked}"
for url; do :; done
case $(wc -l <"${asked}") in
  1 | 2) printf 202 >&2 ;;
  *) echo late >"${spool}/in/${NAME}.\${url##*as=}"; printf 200 >&2 ;;
esac
`,
      { mode: 0o755 },
    );
    expect(run(shell)).toEqual({ code: 0, stderr: '' });
    expect(await restored()).toBe('late\n');
    expect(await readFile(asked, 'utf8')).toBe('x\nx\nx\n');
  });

  it('does the work itself when the file is gone before it was moved', () => {
    const result = run(shell, { STATUS: '200' });
    expect(result).toMatchObject({ code: 255, stderr: expect.stringContaining('Node was started') });
  });

  it('asks for a file under its final name, and puts it there whole', async () => {
    await prefetch();
    const to = `pg_wal/${NAME}`;
    expect(run(shell, { STATUS: '200', FILE: join(spool, 'in', NAME) }, to).code).toBe(0);
    expect(await readFile(join(cluster.data, to), 'utf8')).toBe('from the daemon\n');
    expect(await readdir(join(spool, 'in'))).toEqual([NAME]);
    expect((await readdir(join(cluster.data, 'pg_wal'))).sort()).toEqual([NAME, 'archive_status']);
  });

  it('leaves the spool alone for another cluster, a dead daemon, other settings', async () => {
    await prefetch();
    const other = await makeFakeCluster(join(folder, 'other data'));
    const results = [
      run(shell, {}, 'pg_wal/RECOVERYXLOG', other.data),
      run(shell, { PGARC_STORE: 'file:///another' }),
      run(shell, { PGARC_DAEMON: 'no' }),
    ];
    await held[0]!.close();
    results.push(run(shell));
    held[0] = await open(join(spool, 'daemon.lock'), 'a');
    await writeFile(env.PGARC_CONFIG!, '');
    results.push(run(shell));
    await rm(env.PGARC_CONFIG!);
    await cluster.renew();
    results.push(run(shell));
    for (const { code, stderr } of results) {
      expect(code).toBe(255);
      expect(stderr).toContain('Node was started');
      expect(stderr).not.toContain('asked:');
    }
    expect(existsSync(join(spool, 'in', NAME))).toBe(true);
    expect(await restored()).toBeUndefined();
  });
});
