import { expect, it } from 'vitest';
import { readControlFile } from '../../../src/postgres/control-file.ts';
import { formatLsn } from '../../../src/postgres/lsn.ts';
import { startPostgres } from '../../support/postgres.ts';

it('readControlFile agrees with pg_controldata and with a running server', async () => {
  const server = await startPostgres({ checksums: false, walSegmentSize: 4 });
  const running = await readControlFile(server.dataDir);
  expect(running.state).toBe('in production');
  expect(String(running.systemIdentifier)).toBe(
    await server.value('SELECT system_identifier FROM pg_control_system()'),
  );
  await server.stop();
  const printed = new Map(
    (await server.tool('pg_controldata', [server.dataDir], { env: { TZ: 'UTC' } }))
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const control = await readControlFile(server.dataDir);
  expect(printed.get('Database system identifier')).toBe(String(control.systemIdentifier));
  expect(printed.get('Database cluster state')).toBe(control.state);
  expect(printed.get('Latest checkpoint location')).toBe(formatLsn(control.checkpointLsn));
  expect(printed.get("Latest checkpoint's REDO location")).toBe(formatLsn(control.redoLsn));
  expect(printed.get("Latest checkpoint's TimeLineID")).toBe(String(control.timeline));
  expect(new Date(`${printed.get('Time of latest checkpoint')} UTC`)).toEqual(control.checkpointTime);
  expect(printed.get('Bytes per WAL segment')).toBe(String(control.segmentSize));
  expect(printed.get('Data page checksum version')).toBe(control.dataChecksums ? '1' : '0');
});

it('readControlFile agrees with PostgreSQL 18', async () => {
  const server = await startPostgres({ version: 18 });
  const control = await readControlFile(server.dataDir);
  const [row] = await server.query<{ id: string; redo: string; tli: number }>(
    'SELECT system_identifier::text AS id, redo_lsn::text AS redo, timeline_id AS tli FROM pg_control_system(), pg_control_checkpoint()',
  );
  expect(row).toEqual({
    id: String(control.systemIdentifier),
    redo: formatLsn(control.redoLsn),
    tli: control.timeline,
  });
  expect(control).toMatchObject({ controlVersion: 1800, dataChecksums: true });
});
