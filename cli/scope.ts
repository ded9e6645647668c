import type { Command } from 'commander';

/** Patroni may have the scope in its file only, and the store's place may depend on it. */
export function nameScope(command: Command): void {
  const scope: unknown = command.opts().scope;
  if (typeof scope !== 'string' || process.env.PGARC_SCOPE || process.env.PATRONI_SCOPE) return;
  process.env.PATRONI_SCOPE = scope;
}
