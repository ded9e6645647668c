import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PgarcError } from '../../../src/errors.ts';
import { composeFile, DOCKER_NAMES, INSIDE } from './compose.ts';
import type { Cluster } from './describe.ts';
import { haproxyConfig } from './haproxy.ts';

const SECRETS = ['SUPERUSER_PASSWORD', 'REPLICATION_PASSWORD', 'ADMIN_PASSWORD', 'AWS_SECRET_ACCESS_KEY'];

/** haproxy.cfg for a cluster in the network of compose. */
export function composeHaproxy(cluster: Cluster): string {
  return haproxyConfig({
    backends: cluster.nodes.map(({ name }) => ({ name, host: name, ...INSIDE })),
    listen: {
      leader: `*:${INSIDE.leader}`,
      replicas: `*:${INSIDE.replicas}`,
      status: `*:${INSIDE.status}`,
    },
    resolver: DOCKER_NAMES,
  });
}

/**
 * Writes compose.yaml and haproxy.cfg, and .env with new passwords where there is none: it belongs to the volumes.
 * @returns names of the files that were written
 * @throws PgarcError `refused` when there are files that would be replaced, unless `replace`
 */
export async function writeCluster(cluster: Cluster, folder: string, replace: boolean): Promise<string[]> {
  const files = { 'compose.yaml': composeFile(cluster), 'haproxy.cfg': composeHaproxy(cluster) };
  const taken = Object.keys(files).filter((name) => existsSync(join(folder, name)));
  if (taken.length > 0 && !replace) {
    throw new PgarcError('refused', `${folder} has a ${taken.join(' and a ')} already`, {
      hint: 'Name another folder, or replace what is there with --force.',
    });
  }
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return [...Object.keys(files), ...(await writeSecrets(folder))];
  } catch (error) {
    throw new PgarcError('failed', `cannot write to ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

async function writeSecrets(folder: string): Promise<string[]> {
  const lines = SECRETS.map((name) => `${name}=${randomBytes(18).toString('base64url')}`);
  const text = `# Secrets of this cluster; its volumes remember them.\nAWS_ACCESS_KEY_ID=pgarc\n${lines.join('\n')}\n`;
  try {
    await writeFile(join(folder, '.env'), text, { mode: 0o600, flag: 'wx' });
    return ['.env'];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return [];
    throw error;
  }
}
