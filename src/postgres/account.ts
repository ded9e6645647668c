import { readFile, stat } from 'node:fs/promises';

/** A user of the operating system; `name` is undefined where /etc/passwd does not tell it. */
export interface Account {
  uid: number;
  gid: number;
  name: string | undefined;
}

/**
 * Whom a data directory belongs to, which root has to know: PostgreSQL and its tools refuse to run as root.
 * @returns undefined for anybody but root, and when there is no such directory
 */
export async function findAccount(pgdata: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await stat(pgdata).catch(() => undefined);
  if (found === undefined) return undefined;
  const { uid, gid } = found;
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return { uid, gid, name: findName(users, uid) };
}

/** A command line as root runs it for that user; as it is where none is given, or it is root. */
export function asAccount(account: Account | undefined, command: string): string {
  if (account === undefined || account.uid === 0) return command;
  const { uid, gid, name } = account;
  return name === undefined
    ? `setpriv --reuid=${uid} --regid=${gid} --clear-groups ${command}`
    : `runuser -u ${name} -- ${command}`;
}

/** @param users the contents of /etc/passwd */
export function findName(users: string, uid: number): string | undefined {
  const fields = users.split('\n').map((line) => line.split(':'));
  return fields.find(([, , number]) => number === String(uid))?.[0];
}
