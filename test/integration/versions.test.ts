import { describe, expect, test } from 'vitest';
import { readLedger, startLedger } from '../support/ledger.ts';
import { mustRunPgarc } from '../support/pgarc.ts';
import { startPostgres } from '../support/postgres.ts';
import type { PostgresVersion } from '../support/postgres-binaries.ts';
import { restore, startRestored, verifyRestored } from '../support/restore.ts';
import { makeStore } from '../support/stores.ts';

interface Variant {
  version: PostgresVersion;
  /** MiB. */
  walSegmentSize: number;
  checksums: boolean;
  method: 'lz4' | 'zstd';
}

const VARIANTS: Variant[] = [
  { version: 13, walSegmentSize: 16, checksums: true, method: 'lz4' },
  { version: 17, walSegmentSize: 16, checksums: true, method: 'zstd' },
  { version: 18, walSegmentSize: 16, checksums: true, method: 'lz4' },
  { version: 15, walSegmentSize: 1, checksums: false, method: 'zstd' },
  { version: 15, walSegmentSize: 64, checksums: true, method: 'lz4' },
];

describe('other versions and sizes', () => {
  test.each(VARIANTS)(
    'PostgreSQL $version with WAL segments of $walSegmentSize MiB, $method',
    async (variant) => {
      const { version, walSegmentSize, checksums, method } = variant;
      const store = await makeStore('folder');
      const env = { ...store.env, PGARC_COMPRESSION_METHOD: method };
      const server = await startPostgres({ version, walSegmentSize, checksums, archive: true, env });
      const ledger = await startLedger(server);
      await ledger.grow(20);
      await mustRunPgarc(['backup-push', server.dataDir], { env: { ...env, ...server.env } });
      await server.query(
        "CREATE TABLE bulk AS SELECT i, repeat('x', 500) AS t FROM generate_series(1, 10000) AS i",
      );
      await ledger.grow(20);
      const moment = await ledger.remember();
      await ledger.grow(20);
      const last = await ledger.stop();
      await server.archiveAll();
      await server.kill();

      const newest = await restore(env);
      // That of 15, the one with all client programs here, reads manifests of up to 16.
      if (version <= 16) await verifyRestored(newest.dataDir);
      const restored = await startRestored(newest.dataDir, env, { version });
      expect(await readLedger(restored)).toEqual({ last, whole: true });
      expect(await restored.value('SELECT count(*) FROM bulk')).toBe('10000');
      await restored.stop();

      const target = ['--target-time', moment.time, '--target-action', 'promote'];
      const then = await startRestored((await restore(env, target)).dataDir, env, { version });
      const found = await readLedger(then);
      expect(found.whole).toBe(true);
      expect(found.last).toBeGreaterThanOrEqual(moment.committed);
      expect(found.last).toBeLessThanOrEqual(moment.sent);
      await then.stop();
      const verified = await mustRunPgarc(['verify'], { env });
      expect(verified.code).toBe(0);
    },
  );
});
