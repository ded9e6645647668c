import { expect, it } from 'vitest';
import { asAccount, findName } from '../../../src/postgres/account.ts';

const USERS = 'root:x:0:0:root:/root:/bin/bash\npostgres:x:103:106::/var/lib/postgresql:/bin/bash\n';

it('knows the name of a user', () => {
  expect([0, 103, 10].map((uid) => findName(USERS, uid))).toEqual(['root', 'postgres', undefined]);
});

it.each([
  [undefined, 'pg_ctl start'],
  [{ uid: 0, gid: 0, name: 'root' }, 'pg_ctl start'],
  [{ uid: 103, gid: 106, name: 'postgres' }, 'runuser -u postgres -- pg_ctl start'],
  [{ uid: 999, gid: 998, name: undefined }, 'setpriv --reuid=999 --regid=998 --clear-groups pg_ctl start'],
])('%o runs it so', (account, expected) => {
  expect(asAccount(account, 'pg_ctl start')).toBe(expected);
});
