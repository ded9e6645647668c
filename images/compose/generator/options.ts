import { PgarcError } from '../../../src/errors.ts';

/** Major versions of PostgreSQL that the Patroni image can be built with. */
export const PG_VERSIONS = [13, 14, 15, 16, 17, 18] as const;

/** More would not fit the ports that a cluster has. */
export const MOST_NODES = 64;

const OTHER_PORTS = 10;

/** What a cluster is to be like. */
export interface ClusterOptions {
  /** PostgreSQL nodes. */
  nodes: number;
  /** Simulated data centres. */
  datacentres: number;
  /** First of the ports on this host. */
  basePort: number;
  pgVersion: number;
  /** Name of the cluster, as Patroni's scope. */
  scope: string;
}

/** The same as typed by a person. */
export type TypedOptions = Record<keyof ClusterOptions, string>;

/** Ports on this host that a cluster takes, from its base port on. */
export function countPorts(nodes: number): number {
  return OTHER_PORTS + 2 * nodes;
}

/**
 * Checks options against each other.
 * @throws PgarcError `usage` naming the option and what is allowed
 */
export function readOptions(typed: TypedOptions): ClusterOptions {
  const nodes = readInteger('--nodes', typed.nodes, 1, MOST_NODES);
  const datacentres = readInteger('--datacentres', typed.datacentres, 1, nodes, 'as many as there are nodes');
  const basePort = readInteger('--base-port', typed.basePort, 1024, 65_536 - countPorts(nodes));
  const pgVersion = Number(typed.pgVersion);
  if (!PG_VERSIONS.some((version) => String(version) === typed.pgVersion)) {
    refuse('--pg-version', typed.pgVersion, `Allowed are ${PG_VERSIONS.join(', ')}.`);
  }
  if (!/^[a-z0-9][a-z0-9_-]{0,39}$/.test(typed.scope)) {
    refuse('--scope', typed.scope, 'Allowed are up to 40 lower-case letters, digits, - and _.');
  }
  return { nodes, datacentres, basePort, pgVersion, scope: typed.scope };
}

function readInteger(name: string, text: string, least: number, most: number, why = ''): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < least || value > most) {
    refuse(name, text, `Allowed are whole numbers from ${least} to ${most}${why && `, ${why}`}.`);
  }
  return value;
}

function refuse(name: string, text: string, hint: string): never {
  throw new PgarcError('usage', `${name}: '${text}' is not allowed`, { hint });
}
