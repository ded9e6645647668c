import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { createArchiveService } from '../../src/daemon/archive-service.ts';
import { createEventBus } from '../../src/daemon/bus.ts';
import type { DaemonParts } from '../../src/daemon/services.ts';
import type { PgarcEvent } from '../../src/report/events.ts';
import type { ArchiveScan } from '../../src/status/archive-scan.ts';
import { readScan } from '../../src/status/scan-file.ts';
import { openFolderStore } from '../../src/store/folder.ts';
import { makeTemporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { copySample, SAMPLE_DELTA } from './sample.ts';

let folder: string;
let spool: string;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await copySample();
  spool = await makeTemporaryFolder('spool');
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** The daemon's part alone, which looks every few ms. */
async function start(interval = 20, values: Record<string, string> = {}, more: object = {}) {
  const bus = createEventBus();
  const store = openFolderStore(folder, bus.emit);
  const end = new AbortController();
  const heard: PgarcEvent[] = [];
  bus.listen((event) => heard.push(event));
  const { settings } = await loadSettings({ flags: {}, environment: values, config: undefined });
  const parts = {
    settings,
    cluster: undefined,
    store,
    spool: { folder: spool },
    bus,
    deadline: end.signal,
    ...more,
  };
  const service = await createArchiveService(parts as unknown as DaemonParts, { tick: 5, interval });
  const stop = async () => {
    end.abort();
    await service.stop();
  };
  stops.push(stop);
  return {
    bus,
    heard,
    stop,
    location: store.location,
    scans: () =>
      heard.flatMap((event): ArchiveScan[] => (event.type === 'archiveScanned' ? [event.scan] : [])),
  };
}

it('lists backups and WAL, tells it, and keeps it in the spool', async () => {
  const { scans, heard, location, stop } = await start();
  await waitFor(() => scans().length > 0);
  await stop();
  const lists = heard.filter(({ type }) => type === 'backupsListed');
  expect(lists).toHaveLength(1);
  expect(scans()[0]).toMatchObject({
    segments: 6,
    newest: ['000000010000000000000006'],
    gaps: 0,
    missingSegments: 0,
    missing: [],
    broken: [],
    brokenCount: 0,
    window: {
      timeline: 1,
      from: '2026-11-21T12:31:52.210000Z',
      to: expect.stringMatching(/^2026-11-21T12:3/),
      backups: 2,
    },
  });
  expect(await readScan(spool, location)).toEqual(scans().at(-1));
  expect(await readScan(spool, 's3://other')).toBeUndefined();
});

it('finds a gap, and a backup without its WAL', async () => {
  await rm(join(folder, 'wal_005/000000010000000000000003.lz4'));
  await rm(join(folder, 'wal_005/000000010000000000000004.lz4'));
  const { scans } = await start();
  await waitFor(() => scans().length > 0);
  expect(scans()[0]).toMatchObject({
    gaps: 1,
    missingSegments: 2,
    missing: [{ first: '000000010000000000000003', last: '000000010000000000000004' }],
    broken: [SAMPLE_DELTA],
    brokenCount: 1,
  });
});

it('does not list again after a restart before it is due', async () => {
  const first = await start();
  await waitFor(() => first.scans().length > 0);
  await first.stop();
  const kept = await readScan(spool, first.location);
  const second = await start(60_000);
  expect(second.scans()).toEqual([kept]);
  await rename(folder, `${folder}.gone`);
  expect(second.heard).toHaveLength(1);
});

it('leaves it to the node that leads', async () => {
  const { bus, heard, scans } = await start(20, { PGARC_SCHEDULE_BACKUP_CRON: '0 2 * * *' }, { cluster: {} });
  bus.emit({ type: 'leadershipChanged', node: 'a', leader: 'b', isLeader: false });
  expect(heard).toHaveLength(1);
  bus.emit({ type: 'leadershipChanged', node: 'a', leader: 'a', isLeader: true });
  await waitFor(() => scans().length > 0);
});

it('says once that the archive cannot be looked through, and recovers', async () => {
  const { heard, scans } = await start();
  await waitFor(() => scans().length > 0);
  const damaged = join(folder, 'wal_005/00000002.history.lz4');
  await writeFile(damaged, 'not lz4');
  const warnings = () => heard.filter(({ type }) => type === 'warning');
  await waitFor(() => warnings().length > 0);
  await rm(damaged);
  const before = scans().length;
  await waitFor(() => scans().length > before);
  expect(warnings()).toHaveLength(1);
});
