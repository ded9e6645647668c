import { expect, it } from 'vitest';
import { renderFetch } from '../../../cli/fetch-report.ts';
import type { FetchOptions, FetchResult } from '../../../src/backup/fetch/fetch.ts';
import type { Account } from '../../../src/postgres/account.ts';

function start(account: Account | undefined, more: Partial<FetchResult> = {}): string {
  const result = {
    backup: { name: 'base_1' },
    pgdata: '/new',
    basedOn: [],
    tablespaces: [],
    bytes: 1,
    ...more,
  };
  const options = { target: { kind: 'none' }, mode: 'raw', action: 'pause', restoreCommand: 'x' };
  return renderFetch(result as unknown as FetchResult, options as unknown as FetchOptions, account);
}

it('starts the server as whoever restored', () => {
  expect(start(undefined)).toContain('\n    pg_ctl -D /new start\n');
});

it('tells root to start it as the owner of the directory', () => {
  expect(start({ uid: 103, gid: 106, name: 'postgres' })).toContain(
    '\n    runuser -u postgres -- pg_ctl -D /new start\n',
  );
});

it('tells root to give the files away first where they belong to root', () => {
  const tablespaces = [{ oid: '16384', from: '/ts', to: '/ts 1' }];
  const text = start({ uid: 0, gid: 0, name: 'root' }, { tablespaces });
  expect(text).toContain("\n    chown -R postgres: /new '/ts 1'\n");
  expect(text).toContain('\n    runuser -u postgres -- pg_ctl -D /new start\n');
});
