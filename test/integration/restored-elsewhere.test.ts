import { appendFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd } from '../support/cleanup.ts';
import { mustRunPgarc, runPgarc } from '../support/pgarc.ts';
import { freePort } from '../support/ports.ts';
import { startPostgres } from '../support/postgres.ts';
import { findBinaries } from '../support/postgres-binaries.ts';
import { mustRun, runProgram } from '../support/run.ts';
import { makeStore } from '../support/stores.ts';
import { makeOwnedDirectory, makeTemporaryFolder } from '../support/temporary.ts';

test('where postgresql.conf names the original, the printed command starts the restored server', async () => {
  const { env } = await makeStore('folder');
  const sockets = await makeTemporaryFolder('sockets');
  const server = await startPostgres({ archive: true, env, start: false });
  const port = await freePort();
  // What a command line names wins over it: this is for the one that pg_ctl starts.
  const lines = [`port = ${port}`, "listen_addresses = ''", `unix_socket_directories = '${sockets}'`];
  await mkdir(join(server.dataDir, 'conf.d'));
  await appendFile(join(server.dataDir, 'postgresql.conf'), `${lines.join('\n')}\ninclude_dir 'conf.d'\n`);
  await appendFile(join(server.dataDir, 'conf.d/place.conf'), `data_directory = '${server.dataDir}'\n`);
  await server.start();
  await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
  await server.stop();

  const dataDir = join(await makeTemporaryFolder('new'), "it's here");
  const restored = await runPgarc(['backup-fetch', dataDir, 'LATEST'], { env });
  expect(restored.code).toBe(3);
  expect(restored.stderr).toContain(`data_directory in postgresql.conf names ${server.dataDir}`);
  const command = /^ *(pg_ctl -D .* start)$/m.exec(restored.stdout)?.[1];
  const bin = findBinaries(15);
  const log = join(await makeOwnedDirectory(join(sockets, 'log')), 'server.log');
  const path = { PATH: `${bin}:${process.env.PATH}` };
  await mustRun('sh', ['-c', `${command} > ${log} 2>&1`], { env: { ...env, ...path } });
  atEnd(async () => {
    await runProgram(join(bin, 'pg_ctl'), ['-D', dataDir, '-m', 'immediate', 'stop']);
  });
  const host = ['-h', sockets, '-p', String(port), '-U', 'postgres'];
  expect(await mustRun('psql', [...host, '-XAtqc', 'show data_directory'], { env: path })).toBe(
    `${dataDir}\n`,
  );
  expect(await readdir(server.dataDir)).not.toContain('postmaster.pid');
});
