import type { ClusterDeps } from './lock.ts';
import { readRecord } from './record.ts';

/** What a node's daemon says of itself. */
export interface Member {
  node: string;
  role: 'primary' | 'replica';
  /** WAL it is behind the primary, bytes; null on the primary, and where it is not known. */
  lagBytes: number | null;
  /** Written on a primary; replayed on a replica: `X/Y`. Null when it is not known. */
  lsn: string | null;
  /** Whether it could take a backup. */
  healthy: boolean;
  /** Why it is not healthy; null when it is. */
  reason: string | null;
  /** When it said so, RFC 3339. */
  at: string;
}

/** Says what this node is, until the lease ends. @throws PgarcError `etcd-unreachable`; `failed` when the lease is gone */
export async function publishMember(
  { etcd, keys }: Pick<ClusterDeps, 'etcd' | 'keys'>,
  member: Member,
  lease: string,
  signal: AbortSignal,
): Promise<void> {
  await etcd.put(keys.member(member.node), JSON.stringify(member), { lease }, signal);
}

/** The nodes whose daemons live, by name. What is not one's record is left out. @throws PgarcError `etcd-unreachable` */
export async function listMembers(
  { etcd, keys }: Pick<ClusterDeps, 'etcd' | 'keys'>,
  signal: AbortSignal,
): Promise<Member[]> {
  const found = await etcd.list(keys.members, signal);
  return found.map(({ value }) => parseMember(value)).filter((member) => member !== undefined);
}

/** Reads a member's record. @returns undefined for rubbish */
export function parseMember(value: string): Member | undefined {
  const record = readRecord(value);
  if (record === undefined) return undefined;
  const { node, role, lagBytes, lsn, healthy, reason, at } = record;
  if (typeof node !== 'string' || node === '' || typeof at !== 'string') return undefined;
  if ((role !== 'primary' && role !== 'replica') || typeof healthy !== 'boolean') return undefined;
  return {
    node,
    role,
    lagBytes: typeof lagBytes === 'number' && lagBytes >= 0 ? lagBytes : null,
    lsn: typeof lsn === 'string' ? lsn : null,
    healthy,
    reason: typeof reason === 'string' ? reason : null,
    at,
  };
}
