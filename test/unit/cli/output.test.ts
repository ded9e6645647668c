import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PGARC } from '../../support/pgarc.ts';
import { cleanEnvironment } from '../../support/run.ts';

const OPTIONS = { encoding: 'utf8', cwd: '/', env: cleanEnvironment() } as const;

/** Runs pgarc with its standard output at a path. */
function printTo(path: string, args: readonly string[]) {
  const target = openSync(path, 'w');
  try {
    return spawnSync(PGARC, args, { ...OPTIONS, stdio: ['ignore', target, 'pipe'] });
  } finally {
    closeSync(target);
  }
}

it.each([[['config', 'show']], [['config', 'show', '--json']]])(
  '%j onto a full disk is a failure, not an empty answer',
  (args) => {
    const { status, stderr } = printTo('/dev/full', args);
    expect(stderr).toMatch(/^pgarc: what was to be printed could not be written: ENOSPC/m);
    expect(status).toBe(1);
  },
);

it('a reader that has gone is none', () => {
  const script = '{ "$0" config show; echo "code $?" >&2; } | true';
  const { stderr } = spawnSync('/bin/sh', ['-c', script, PGARC], OPTIONS);
  expect(stderr.trim()).toBe('code 0');
});
