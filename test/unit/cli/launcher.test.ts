import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PGARC, ROOT } from '../../support/pgarc.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { asUnprivileged } from '../../support/unprivileged.ts';

const SHELLS = [['dash'], ['bash', '--posix'], ['bash'], ['busybox', 'sh']].filter(isInstalled);

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  shell?: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
}

let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder('with blank');
});

function run(
  path: string,
  args: readonly string[],
  { shell = [], cwd = '/', env = {} }: RunOptions = {},
): Run {
  const [program, ...rest] = [...shell, path, ...args];
  const { PATH = '' } = process.env;
  const all = { PATH, HOME: '/nonexistent', ...env };
  const result = spawnSync(program!, rest, { cwd, env: all, encoding: 'utf8' });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** A program in place of Node. */
async function makeFakeNode(script: string): Promise<string> {
  const path = join(await makeTemporaryFolder('fake node'), 'node');
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

function isInstalled([program]: readonly string[]): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('under %s', (_, shell) => {
  it('runs from anywhere, through links, with blanks in paths', async () => {
    expect(run(PGARC, ['--version'], { shell }).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const checkout = join(folder, `my ${shell.length} ${shell[0]}`);
    await mkdir(join(checkout, 'cli'), { recursive: true });
    await cp(PGARC, join(checkout, 'cli/pgarc'));
    await mkdir(join(checkout, 'dist/wal'), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
    await writeFile(join(checkout, 'dist/main.js'), 'console.log(JSON.stringify(process.argv.slice(2)))');
    await writeFile(join(checkout, 'dist/wal/main.js'), 'console.log(process.argv[2])');
    await mkdir(join(checkout, 'bin'));
    await symlink('../cli/pgarc', join(checkout, 'bin/relative'));
    await symlink(join(checkout, 'bin/relative'), join(checkout, 'absolute link'));
    const args = ['config', 'a b', '$x', ''];
    for (const [path, cwd] of [
      [join(checkout, 'absolute link'), '/'],
      ['bin/relative', checkout],
      ['./pgarc', join(checkout, 'cli')],
    ] as const) {
      expect(JSON.parse(run(path, args, { shell, cwd }).stdout)).toEqual(args);
    }
    expect(run('bin/relative', ['wal-push', 'x'], { shell, cwd: checkout }).stdout).toBe('wal-push\n');
    // `sh pgarc`: a name without a slash.
    expect(JSON.parse(run('pgarc', args, { shell, cwd: join(checkout, 'cli') }).stdout)).toEqual(args);
  });

  it.each([
    ['exit 0', 0],
    ['exit 7', 7],
    ['exit 126', 1],
    ['exit 255', 1],
    ['kill -9 $$', 1],
    ['kill -ABRT $$', 1],
  ])('wal-push with a Node that ends by `%s` exits with %d', async (script, code) => {
    const env = { PGARC_NODE: await makeFakeNode(script) };
    expect(run(PGARC, ['wal-push', 'x'], { shell, env }).code).toBe(code);
    expect(run(PGARC, ['--store', 's3://b', 'wal-push', 'x'], { shell, env }).code).toBe(code);
  });

  it.each([
    ['exit 0', 0, 0],
    ['exit 74', 74, 74],
    ['exit 75', 75, 75],
    ['exit 1', 255, 75],
    ['exit 2', 255, 75],
    ['exit 134', 255, 75],
    ['kill -9 $$', 255, 75],
  ])(
    'wal-fetch with a Node that ends by `%s` exits with %d, on a standby with %d',
    async (script, code, standby) => {
      const cluster = await makeTemporaryFolder();
      await writeFile(join(cluster, 'PG_VERSION'), '15\n');
      const env = { PGARC_NODE: await makeFakeNode(script) };
      const args = ['wal-fetch', '000000010000000000000001', 'pg_wal/RECOVERYXLOG'];
      expect(run(PGARC, args, { shell, env, cwd: cluster }).code).toBe(code);
      await writeFile(join(cluster, 'standby.signal'), '');
      expect(run(PGARC, args, { shell, env, cwd: cluster }).code).toBe(standby);
      // pg_rewind and Patroni run it elsewhere.
      expect(run(PGARC, args, { shell, env: { ...env, PGDATA: cluster } }).code).toBe(standby);
    },
  );

  it.runIf(isInstalled(['prlimit']))('holds that when it can start no process', async () => {
    const cluster = await makeTemporaryFolder();
    await writeFile(join(cluster, 'PG_VERSION'), '15\n');
    const env = { PGARC_NODE: await makeFakeNode('exit 0'), PATH: process.env.PATH ?? '' };
    const attempt = async (...args: string[]) => {
      const command = ['--nproc=1', ...shell, PGARC, ...args];
      // Of an account whose processes are counted: root's are not.
      const child = spawn(...asUnprivileged('prlimit', command), { cwd: cluster, env });
      let stderr = '';
      child.stderr.on('data', (data) => {
        stderr += data;
      });
      // bash tries again after 1, 2, 4 and 8 s, at once when it is told of the end of some process.
      const told = setInterval(() => child.kill('SIGCHLD'), 100);
      const code = await new Promise((resolve) => child.on('close', resolve));
      clearInterval(told);
      expect(stderr).toMatch(/fork/);
      return code;
    };
    const fetch = ['wal-fetch', '000000010000000000000001', 'pg_wal/RECOVERYXLOG'];
    expect(await attempt('wal-push', 'x')).toBe(1);
    expect(await attempt(...fetch)).toBe(255);
    await writeFile(join(cluster, 'standby.signal'), '');
    expect(await attempt(...fetch)).toBe(75);
  });

  it('holds that when it can open no pipe', async () => {
    const link = join(await makeTemporaryFolder(), 'pgarc');
    await symlink(PGARC, link);
    const env = { PGARC_NODE: await makeFakeNode('exit 7') };
    // All descriptors but those that a program needs to start: the link is read through a pipe.
    const taken = [3, 4, 5, 6, 7, 8, 9].map((descriptor) => `${descriptor}</dev/null`).join(' ');
    const limited = ['sh', '-c', `exec ${taken} && ulimit -n 12 && exec "$@"`, 'sh', ...shell];
    const push = run(link, ['wal-push', 'x'], { shell: limited, env });
    const fetch = run(link, ['wal-fetch', '000000010000000000000001', 'x'], { shell: limited, env });
    // bash goes on without what it would have read.
    expect(push).toMatchObject({ code: shell[0] === 'bash' ? 7 : 1, stderr: expect.stringMatching(/pipe/i) });
    expect(fetch).toMatchObject({ code: 255, stderr: expect.stringMatching(/pipe/i) });
  });

  it('passes a signal on and waits for the answer', async () => {
    const node = await makeFakeNode(
      'trap "echo told; exit 75" TERM; echo ready; while :; do sleep 0.05; done',
    );
    const [program, ...rest] = [...shell, PGARC, 'wal-push', 'x'];
    const child = spawn(program!, rest, { env: { PATH: process.env.PATH, PGARC_NODE: node } });
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += data;
      if (stdout === 'ready\n') child.kill('SIGTERM');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([stdout, code]).toEqual(['ready\ntold\n', 75]);
  });
});

describe('a Node', () => {
  it('that is not there is told, with the exit code PostgreSQL needs', () => {
    const env = { PGARC_NODE: '/nowhere/node' };
    expect(run(PGARC, ['backup-list'], { env })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('/nowhere/node'),
    });
    expect(run(PGARC, ['wal-push', 'x'], { env }).code).toBe(1);
    expect(run(PGARC, ['wal-fetch', 'x', 'y'], { env }).code).toBe(255);
  });

  it('that is too old is told', async () => {
    const start = join(folder, 'start.mjs');
    const source = execFileSync('cat', [join(ROOT, 'cli/start.js')], { encoding: 'utf8' });
    // An old Node cannot be had here: a check against a newer one is the same check.
    await writeFile(start, source.replace('OLDEST = 24', 'OLDEST = 99'));
    const result = run(process.execPath, [start]);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/^pgarc: .* is Node \d+.*needs 99 or later\nhint: .*PGARC_NODE/);
  });
});

describe('the command line', () => {
  it('lists all commands', () => {
    const { code, stdout } = run(PGARC, ['--help']);
    expect(code).toBe(0);
    for (const name of ['wal-push', 'wal-fetch', 'backup-push', 'check', 'config'])
      expect(stdout).toContain(`  ${name} `);
  });

  it('suggests a command for an unknown one', () => {
    const { code, stderr } = run(PGARC, ['bakup-list']);
    expect([code, stderr]).toEqual([
      2,
      "pgarc: unknown command 'bakup-list'\nhint: Did you mean backup-list?\n",
    ]);
    expect(run(PGARC, []).code).toBe(2);
    expect(run(PGARC, ['config', 'show', '--stor', 'x']).stderr).toContain('--store');
  });

  it('hides secrets and tells where values came from', () => {
    const env = {
      PGARC_STORE: 's3://bucket/p',
      AWS_SECRET_ACCESS_KEY: 'very-secret-value',
      PGPASSWORD: 'pw',
    };
    const { code, stdout } = run(PGARC, ['--pg-port', '5433', 'config', 'show', '--scope', 'main'], { env });
    expect(code).toBe(0);
    expect(stdout).not.toContain('very-secret-value');
    expect(stdout).toMatch(/^pg-port +5433 +flag --pg-port$/m);
    expect(stdout).toMatch(/^scope +main +flag --scope$/m);
    expect(stdout).toMatch(/^store +s3:\/\/bucket\/p +environment PGARC_STORE$/m);
    expect(stdout).toMatch(/^aws-secret-access-key +\*\*\* +environment AWS_SECRET_ACCESS_KEY$/m);
  });

  it('answers --json with a document, also when it fails', () => {
    const good = JSON.parse(run(PGARC, ['config', 'show', '--json'], { env: { PGPASSWORD: 'pw' } }).stdout);
    expect(good.settings).toContainEqual(
      expect.objectContaining({
        name: 'pg-password',
        value: '***',
        source: 'environment',
        origin: 'PGPASSWORD',
      }),
    );
    const bad = run(PGARC, ['config', 'show', '--json'], { env: { PGARC_STOR: 'x' } });
    expect(bad.code).toBe(2);
    expect(JSON.parse(bad.stdout).error).toMatchObject({
      code: 'setting-invalid',
      hint: 'Did you mean PGARC_STORE?',
    });
    expect(bad.stderr).toBe(
      'pgarc: unknown environment variable PGARC_STOR\nhint: Did you mean PGARC_STORE?\n',
    );
  });

  it('logs a failure as JSON when asked for, even of the settings themselves', () => {
    const { code, stderr } = run(PGARC, ['backup-list', '--log-format', 'json', '--store', 'x']);
    expect([code, JSON.parse(stderr)]).toEqual([
      2,
      expect.objectContaining({ level: 'error', event: 'failed', code: 'setting-invalid' }),
    ]);
  });

  it('survives a reader that goes away', () => {
    const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; '${PGARC}' --help | head -n 1`], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('lets no wrong setting look like a missing file', async () => {
    const env = { PGARC_STORE: 'nonsense' };
    const args = ['wal-fetch', '000000010000000000000001', join(folder, 'x')];
    expect(run(PGARC, args, { env }).code).toBe(255);
    expect(run(PGARC, ['wal-fetch', '--nonsense'], { env }).code).toBe(255);
    expect(run(PGARC, ['wal-push', '--nonsense'], { env }).code).toBe(2);
  });
});
