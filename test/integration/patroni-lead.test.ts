import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd } from '../support/cleanup.ts';
import { ROOT } from '../support/pgarc.ts';
import { freePort } from '../support/ports.ts';
import { startPostgres } from '../support/postgres.ts';
import { findBinaries } from '../support/postgres-binaries.ts';
import { startProgram } from '../support/run.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { giveAway } from '../support/unprivileged.ts';
import { waitFor } from '../support/wait.ts';

/** Patroni's answer to a node that has the lock in etcd, whatever its server does. */
async function startApi(): Promise<{ port: number; asked: () => number }> {
  const port = await freePort();
  let asked = 0;
  const server = createServer((_, answer) => {
    asked += 1;
    answer.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port, asked: () => asked };
}

test('a leader takes charge once its server has begun its timeline, not when it has the lock', async () => {
  const server = await startPostgres();
  await server.stop();
  const signal = join(server.dataDir, 'standby.signal');
  await writeFile(signal, '');
  giveAway(signal);
  await server.start();

  const folder = await makeTemporaryFolder('lead');
  const [pgarc, calls] = [join(folder, 'pgarc'), join(folder, 'calls')];
  // An archive that has a backup.
  await writeFile(pgarc, `#!/bin/sh\necho "$@" >>'${calls}'\nprintf 'name\\nbase_1\\n'\n`, { mode: 0o755 });
  const api = await startApi();
  const lead = startProgram(join(ROOT, 'images/patroni/lead'), [], {
    asPostgres: false,
    env: {
      PGARC: pgarc,
      PGDATA: server.dataDir,
      STATE_DIR: folder,
      PG_BIN_DIR: findBinaries(15),
      PATRONI_RESTAPI_LISTEN: `127.0.0.1:${api.port}`,
    },
  });
  await waitFor(() => api.asked() >= 3, { what: 'the third question to Patroni' });
  await expect(readFile(calls, 'utf8')).rejects.toThrow('ENOENT');
  await server.promote();
  await waitFor(async () => (await readFile(calls, 'utf8').catch(() => '')) !== '', {
    what: 'the new leader',
  });
  lead.child.kill('SIGTERM');
  await lead.result;
  expect(await readFile(calls, 'utf8')).toBe('backup-list --wal-e\n');
});
