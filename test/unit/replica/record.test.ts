import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEventBus } from '../../../src/daemon/bus.ts';
import { createMetrics } from '../../../src/daemon/metrics.ts';
import type { DaemonParts } from '../../../src/daemon/services.ts';
import { daemonSpool } from '../../../src/daemon/spool.ts';
import { createDecisionService } from '../../../src/replica/decision-service.ts';
import { decisionsFolder, leaveDecision, takeDecisions } from '../../../src/replica/record.ts';
import type { PgarcEvent } from '../../../src/report/events.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';

const result = (verdict: 'use' | 'no' | 'retry', reason: string) =>
  ({ verdict, reason }) as Parameters<typeof leaveDecision>[1];

it('hands decisions over once, oldest first, and drops what is none', async () => {
  const spool = await makeTemporaryFolder('spool');
  expect(await takeDecisions(spool)).toEqual([]);
  await leaveDecision(spool, result('no', 'over-megabytes'), new Date(1_700_000_001_000));
  await leaveDecision(spool, result('use', 'within-thresholds'), new Date(1_700_000_000_000));
  await writeFile(join(decisionsFolder(spool), '1.json'), '{"verdict":"use","reason":"not \\"safe\\""}');
  await writeFile(join(decisionsFolder(spool), '2.json'), 'torn');
  await writeFile(join(decisionsFolder(spool), '3.tmp'), '{');
  expect(await takeDecisions(spool)).toEqual([
    { at: new Date(1_700_000_000_000), verdict: 'use', reason: 'within-thresholds' },
    { at: new Date(1_700_000_001_000), verdict: 'no', reason: 'over-megabytes' },
  ]);
  expect(await readdir(decisionsFolder(spool))).toEqual(['3.tmp']);
  expect(await takeDecisions(spool)).toEqual([]);
});

it('does not fill the spool where no daemon takes them', async () => {
  const spool = await makeTemporaryFolder('spool');
  await mkdir(decisionsFolder(spool));
  for (let count = 0; count < 1000; count++)
    await writeFile(join(decisionsFolder(spool), `${count}.json`), '');
  await leaveDecision(spool, result('no', 'no-backup'), new Date());
  expect(await readdir(decisionsFolder(spool))).toHaveLength(1000);
});

it('the daemon counts those that waited and those that come, by decision and reason', async () => {
  const spool = await makeTemporaryFolder('spool');
  await leaveDecision(spool, result('no', 'over-megabytes'), new Date());
  const bus = createEventBus();
  const metrics = createMetrics();
  const events: PgarcEvent[] = [];
  bus.listen((event) => {
    metrics.hear(event);
    events.push(event);
  });
  const service = await createDecisionService({ spool: daemonSpool(spool), bus } as DaemonParts);
  await waitFor(() => events.length === 1, { what: 'the first decision' });
  await leaveDecision(spool, result('no', 'over-megabytes'), new Date());
  await leaveDecision(spool, result('use', 'within-thresholds'), new Date());
  await waitFor(() => events.length === 3, { what: 'the others' });
  await service.stop();
  const text = await metrics.render();
  expect(text).toContain('pgarc_replica_decisions_total{decision="no",reason="over-megabytes"} 2');
  expect(text).toContain('pgarc_replica_decisions_total{decision="use",reason="within-thresholds"} 1');
});
