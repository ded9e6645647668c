import { renderTable } from '../cli/render-table.ts';
import { metadataKey, partitionKey, sentinelKey } from '../src/backup/format/keys.ts';
import { refreshLists } from '../src/cluster/refresh-lists.ts';
import { formatJson } from '../src/json.ts';
import { openStore } from '../src/store/open.ts';
import { walKey } from '../src/wal/keys.ts';
import { formatSegmentName } from '../src/wal/segment.ts';
import { cleanUp } from '../test/support/cleanup.ts';
import { startEtcd } from '../test/support/etcd.ts';
import { openTestClient } from '../test/support/etcd-client.ts';
import { makeTemporaryFolder } from '../test/support/temporary.ts';
import { makeSegment } from '../test/support/wal-segment.ts';
import { type ListedArchive, startListingServer } from './lib/listing-server.ts';
import { faster, type Measurement, measure } from './lib/measure.ts';
import { buildRelease } from './lib/release.ts';
import { log } from './lib/table.ts';
import { describeMachine } from './lib/tools.ts';

/** A large archive: backups every six hours, WAL without a break, on a store that takes 5 ms for an answer. */
const BACKUPS = Number(process.env.BENCH_BACKUPS ?? 2000);
const SEGMENTS = Number(process.env.BENCH_SEGMENTS ?? 500_000);
const PARTS = 4;
const ANSWER_DELAY = 5;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const SIZE = 16 * 2 ** 20;
const HOUR = 3_600_000;
const PREFIX = 'main/';

try {
  const pgarc = await buildRelease();
  const server = await startListingServer(makeArchive(), ANSWER_DELAY);
  const env = {
    PGARC_STORE: 's3://bench/main',
    PGARC_SPOOL: await makeTemporaryFolder('spool'),
    AWS_ENDPOINT: server.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_S3_FORCE_PATH_STYLE: 'true',
  };
  const cluster = await fillEtcd(env);
  const rows: string[][] = [];
  for (const command of [
    ['backup-list', '--json'],
    ['backup-list', '--json', '--cached'],
    ['retain', '--json', '--keep-window', '14d'],
    ['retain', '--json', '--keep-window', '14d', '--keep-weekly', '52', '--keep-monthly', '24'],
  ]) {
    let best: Measurement | undefined;
    let requests = { lists: 0, gets: 0, others: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      server.reset();
      const measurement = await measure(pgarc, command, { env: { ...env, ...cluster } });
      log(`${command.join(' ')}: ${measurement.seconds.toFixed(2)} s`);
      best = faster(best, measurement);
      requests = server.count();
    }
    rows.push([
      command.filter((word) => word !== '--json').join(' '),
      best!.seconds.toFixed(2),
      best!.cpuSeconds.toFixed(2),
      (best!.peakBytes / 2 ** 20).toFixed(0),
      String(requests.lists),
      String(requests.gets),
    ]);
  }
  process.stdout.write(`${await describeMachine([])}\n`);
  process.stdout.write(`${BACKUPS} backups, ${SEGMENTS} WAL objects, ${ANSWER_DELAY} ms an answer\n\n`);
  const header = ['command', 'seconds', 'CPU s', 'peak MiB', 'listings', 'objects read'];
  process.stdout.write(renderTable(header, rows, ['left', 'right', 'right', 'right', 'right', 'right']));
} finally {
  await cleanUp();
}

/** Writes the list of backups into an etcd, as the daemon does. @returns settings to find it there */
async function fillEtcd(env: Record<string, string>): Promise<Record<string, string>> {
  const cluster = (await startEtcd()).env('bench');
  const client = await openTestClient({ ...env, ...cluster });
  const emit = () => undefined;
  const store = await openStore(client.settings, emit);
  await refreshLists({ ...client, store, emit }, new AbortController().signal);
  store.close();
  return cluster;
}

function makeArchive(): ListedArchive {
  const now = Date.now();
  const perBackup = Math.floor(SEGMENTS / BACKUPS);
  const bodies = new Map<string, Buffer>();
  const times = new Map<string, Date>();
  const { bytes: segment } = makeSegment({ number: 2, size: SIZE });
  const keys: string[] = [];
  for (let number = 0; number < SEGMENTS; number++) {
    const name = formatSegmentName({ timeline: 1, number: BigInt(number + 2) }, SIZE);
    keys.push(`${PREFIX}${walKey(name, '')}`);
  }
  for (let i = 0; i < BACKUPS; i++) {
    const number = BigInt(2 + i * perBackup);
    const startLsn = number * BigInt(SIZE) + 40n;
    const time = new Date(now - (BACKUPS - i) * 6 * HOUR);
    const name = `base_${formatSegmentName({ timeline: 1, number }, SIZE)}`;
    const sentinel = {
      LSN: startLsn,
      FinishLSN: startLsn + 100_000n,
      PgVersion: 150000,
      SystemIdentifier: 7710593383332708988n,
      UncompressedSize: 100_000_000_000n,
      CompressedSize: 30_000_000_000n,
      DataCatalogSize: 100_000_000_000n,
      StartTime: new Date(time.getTime() - HOUR).toISOString(),
      FinishTime: time.toISOString(),
      Hostname: 'db1',
      DataDir: '/var/lib/postgresql/15/main',
      IsPermanent: false,
    };
    const parts = Array.from({ length: PARTS }, (_, part) =>
      partitionKey(name, `part_00${part + 1}.tar.lz4`),
    );
    const metadata = `${PREFIX}${metadataKey(name)}`;
    bodies.set(metadata, Buffer.from('{"is_permanent":false}'));
    bodies.set(`${PREFIX}${sentinelKey(name)}`, Buffer.from(formatJson(sentinel)));
    times.set(`${PREFIX}${sentinelKey(name)}`, time);
    keys.push(metadata, `${PREFIX}${sentinelKey(name)}`, ...parts.map((part) => `${PREFIX}${part}`));
  }
  keys.sort();
  return {
    bucket: 'bench',
    keys,
    sizeOf: (key) => bodies.get(key)?.length ?? SIZE,
    modifiedOf: (key) => times.get(key) ?? new Date(now),
    bodyOf: (key) => bodies.get(key) ?? (/wal_005\/[0-9A-F]{24}$/.test(key) ? segment : undefined),
  };
}
