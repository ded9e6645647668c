import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { runDocPage } from '../support/doc-commands.ts';
import { startDocServer } from '../support/doc-server.ts';
import { mustRunPgarc } from '../support/pgarc.ts';

test('docs/runbooks/dropped-table.md', async () => {
  const { server, run } = await startDocServer();
  await server.tool('createdb', ['shop']);
  await server.tool('psql', ['-d', 'shop', '-Xqc', FILL]);
  await mustRunPgarc(['backup-push'], { env: run.env });
  await server.tool('psql', ['-d', 'shop', '-Xqc', 'INSERT INTO orders (total) VALUES (12.50)']);

  await runDocPage('docs/runbooks/dropped-table.md', {
    ...run,
    steps: {
      async 'drop the table'() {
        const moment = await server.value("SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS.US') || '+00'");
        run.places.set('2026-11-21 17:33:27.80+00', moment);
        // Commits carry their time in microseconds: the drop's is later, however quick this is.
        await sleep(2);
        await server.tool('psql', ['-d', 'shop', '-Xqc', 'DROP TABLE orders']);
        await server.tool('psql', ['-d', 'shop', '-Xc', 'SELECT * FROM orders']).catch(() => undefined);
      },
    },
  });
  expect(await server.tool('psql', ['-d', 'shop', '-XAtc', 'SELECT count(*) FROM orders'])).toBe('1001\n');
});

const FILL = `
  CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric, placed_at timestamptz DEFAULT now());
  INSERT INTO orders (total) SELECT n FROM generate_series(1, 1000) n;
`;
