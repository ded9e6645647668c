import type { Command } from 'commander';
import { PgarcError } from '../../src/errors.ts';

export function define(command: Command): void {
  command.action(() => {
    throw new PgarcError('failed', `${command.name()} is not there yet`);
  });
}
