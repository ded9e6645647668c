import { describe, expect, it } from 'vitest';
import { readHolder } from '../../../src/cluster/holder.ts';
import { type Member, parseMember } from '../../../src/cluster/members.ts';
import { parseRun, type RunRecord } from '../../../src/cluster/runs.ts';

const RUBBISH = ['', 'x', 'null', '1', '"x"', '[]', '{}', '{"node":1}'];

const member: Member = {
  node: 'db1',
  role: 'replica',
  lagBytes: 0,
  lsn: '0/3000000',
  healthy: true,
  reason: null,
  at: '2026-11-21T17:00:00.000Z',
};
const run: RunRecord = {
  job: 'backup',
  scheduledFor: '2026-11-21T17:00:00.000Z',
  attempt: 1,
  node: 'db1',
  state: 'running',
  startedAt: '2026-11-21T17:00:00.100Z',
};

describe('records of etcd', () => {
  it('are read as they were written', () => {
    expect(parseMember(JSON.stringify(member))).toEqual(member);
    expect(parseRun(JSON.stringify(run))).toEqual(run);
    const holder = { node: 'db1', pid: 7, since: '2026-11-21T17:00:00.000Z' };
    expect(readHolder(JSON.stringify(holder))).toEqual(holder);
    expect(readHolder(undefined)).toBeUndefined();
  });

  it.each(RUBBISH)('are nothing when they hold %s', (value) => {
    expect(parseMember(value)).toBeUndefined();
    expect(parseRun(value)).toBeUndefined();
    expect(readHolder(value)).toBeUndefined();
  });

  it.each([{ role: 'leader' }, { healthy: 'yes' }, { at: 5 }, { node: '' }])(
    'of a member are nothing with %j',
    (wrong) => {
      expect(parseMember(JSON.stringify({ ...member, ...wrong }))).toBeUndefined();
    },
  );

  it('of a member whose numbers make no sense do without them', () => {
    expect(parseMember(JSON.stringify({ ...member, lagBytes: -1, lsn: 3 }))).toEqual({
      ...member,
      lagBytes: null,
      lsn: null,
    });
  });

  it.each([{ job: 'dance' }, { state: 'x' }, { attempt: '1' }, { startedAt: 'now' }, { scheduledFor: null }])(
    'of a run are nothing with %j',
    (wrong) => {
      expect(parseRun(JSON.stringify({ ...run, ...wrong }))).toBeUndefined();
    },
  );
});
