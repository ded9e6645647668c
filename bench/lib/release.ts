import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../test/support/pgarc.ts';
import { mustRun } from '../../test/support/run.ts';
import { makeTemporaryFolder } from '../../test/support/temporary.ts';

/** Builds pgarc as it is released, without its sources. @returns the command */
export async function buildRelease(): Promise<string> {
  const node = join(ROOT, 'node_modules/.bin/node');
  await mustRun(node, [join(ROOT, 'scripts/build.ts')], {
    cwd: ROOT,
    asPostgres: false,
    env: { HOME: '/tmp' },
  });
  const folder = await makeTemporaryFolder('release');
  await mkdir(join(folder, 'cli'));
  await cp(join(ROOT, 'cli/pgarc'), join(folder, 'cli/pgarc'));
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'cli/pgarc');
}
