import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './pgarc.ts';
import { cleanEnvironment } from './run.ts';

/** What a compose file means, as Docker's own parser reads it. */
export interface ComposeProject {
  name: string;
  services: Record<
    string,
    {
      image: string;
      environment?: Record<string, string>;
      healthcheck?: { test: string[] };
      networks: Record<string, unknown>;
      ports?: { published: string; target: number; host_ip?: string }[];
      volumes?: { type: string; source: string; target: string; read_only?: boolean }[];
    }
  >;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
}

/**
 * Reads compose files, the later over the earlier, as `docker compose config` would.
 * @throws with the parser's words when they are not valid
 */
export function parseCompose(files: readonly string[], env: Record<string, string> = {}): ComposeProject {
  const program = execFileSync(`${ROOT}/scripts/install-compose-parser`, { encoding: 'utf8' }).trim();
  // Paths in the files are relative to the first one.
  const cwd = dirname(files[0] ?? '.');
  const options = { cwd, encoding: 'utf8', env: cleanEnvironment(env), stdio: 'pipe' } as const;
  return parse(execFileSync(program, files, options)) as ComposeProject;
}
