import { execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';

/** An account that PostgreSQL may run under. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** Bits of linux/capability.h, by the names setpriv gives them. */
const CAPABILITIES = { dac_override: 1n, dac_read_search: 2n };

let found: Account | undefined;

/**
 * The account for PostgreSQL, which refuses to run as root: `postgres` where it exists, else `nobody`.
 * @returns undefined when we are not root and no change is needed
 */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  found ??= readAccount('postgres') ?? readAccount('nobody');
  if (found === undefined)
    throw new Error('running as root, and neither postgres nor nobody is in /etc/passwd');
  return found;
}

/**
 * The command line that runs `command` as the unprivileged account and ends it when this process dies.
 * The account keeps the right to look into every directory, so that it can run pgarc from a checkout under
 * a private home.
 */
export function asUnprivileged(command: string, args: readonly string[]): [string, string[]] {
  const account = unprivilegedAccount();
  if (!hasSetpriv()) {
    if (account !== undefined) throw new Error('running as root needs setpriv (util-linux)');
    return [command, [...args]];
  }
  const options = ['--pdeathsig', 'QUIT'];
  if (account !== undefined) {
    options.push('--reuid', String(account.uid), '--regid', String(account.gid), '--clear-groups');
    const names = permittedCapabilities().map((name) => `+${name}`);
    if (names.length > 0) options.push(`--inh-caps=${names.join()}`, `--ambient-caps=${names.join()}`);
  }
  return ['setpriv', [...options, '--', command, ...args]];
}

/** Makes a file or directory belong to the unprivileged account, when there is one. */
export function giveAway(path: string): void {
  const account = unprivilegedAccount();
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

function readAccount(name: string): Account | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function permittedCapabilities(): string[] {
  const match = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const permitted = BigInt(`0x${match?.[1] ?? '0'}`);
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) => ((permitted >> bit) & 1n ? [name] : []));
}

let setpriv: boolean | undefined;

function hasSetpriv(): boolean {
  if (setpriv === undefined) {
    try {
      execFileSync('setpriv', ['--pdeathsig', 'keep', 'true'], { stdio: 'ignore' });
      setpriv = true;
    } catch {
      setpriv = false;
    }
  }
  return setpriv;
}
