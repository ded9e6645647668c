import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../support/pgarc.ts';

const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;

// Those that are sourced are checked with what sources them.
const scripts = [
  ...['streaming/entrypoint', 'streaming/promote', 'streaming/healthcheck', 'compose/gen-compose'],
  ...['s3-contents', 'failover', 'rejoin', 'reinit', 'restore-to', 'clean-up'].map(
    (name) => `tutorial/${name}`,
  ),
  ...globSync('*', { cwd: `${ROOT}/images/patroni`, exclude: ['lib', 'Dockerfile', '*.md'] }).map(
    (name) => `patroni/${name}`,
  ),
  ...globSync('in-node/*', { cwd: `${ROOT}/images/tutorial` }).map((name) => `tutorial/${name}`),
];

test.runIf(hasShellcheck).each(scripts)('%s', { timeout: 60_000 }, (script) => {
  const path = `${ROOT}/images/${script}`;
  const cwd = path.slice(0, -basename(path).length);
  const { status, stdout } = spawnSync('shellcheck', ['-x', basename(path)], { cwd, encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});
