import type { Member } from '../cluster/members.ts';

export interface Choice {
  /** The node that should run the jobs; undefined when no daemon lives. */
  node: string | undefined;
  /** Whether it is fit for a backup. Without a fit one somebody leads all the same: his runs fail and are told. */
  isFit: boolean;
}

export interface ChoiceOptions {
  backupFrom: 'primary' | 'replica' | 'any';
  /** WAL a fit replica may be behind, bytes. */
  maxLag: number;
  /** Who leads now: stays where he is as good as another. */
  leader?: string | undefined;
}

/**
 * Which node should run the scheduled jobs. Pure: every node comes to the same answer from the same list.
 * Under `replica` that is a healthy replica that is not too far behind, else the primary.
 */
export function chooseNode(members: readonly Member[], options: ChoiceOptions): Choice {
  const { backupFrom, maxLag, leader } = options;
  const healthy = members.filter((member) => member.healthy);
  const primaries = healthy.filter(({ role }) => role === 'primary');
  const replicas = healthy.filter(
    ({ role, lagBytes }) => role === 'replica' && lagBytes !== null && lagBytes <= maxLag,
  );
  const order = {
    primary: [primaries],
    replica: [replicas, primaries],
    any: [[...primaries, ...replicas]],
  }[backupFrom];
  for (const candidates of order) {
    const node = pick(candidates, leader);
    if (node !== undefined) return { node, isFit: true };
  }
  return { node: pick(healthy, leader) ?? pick(members, leader), isFit: false };
}

/** The leader where he is among them, else the first by name. */
function pick(members: readonly Member[], leader: string | undefined): string | undefined {
  const names = members.map(({ node }) => node).sort();
  return names.find((name) => name === leader) ?? names[0];
}
