import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './cleanup.ts';
import { type Running, startProgram } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';

const PROGRAM = fileURLToPath(new URL('./contender.ts', import.meta.url));

/** What contenders for one lock wrote, in the order in which it happened. */
export interface LockLog {
  start(name: string, mode: 'loop' | 'hold' | 'freeze', env: Record<string, string>): Running;
  /** SIGKILL, noted in the log once the process is gone. */
  kill(name: string, contender: Running): Promise<void>;
  lines(): string[];
  has(line: string): boolean;
  /** Lines that show two holders at once; none is what there should be. */
  overlaps(): string[];
}

export async function makeLockLog(): Promise<LockLog> {
  const file = join(await makeTemporaryFolder('lock'), 'log');
  writeFileSync(file, '');
  const lines = () => readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return {
    start(name, mode, env) {
      const started = startProgram(process.execPath, [PROGRAM, name, file, mode], {
        env,
        asPostgres: false,
        timeout: 300_000,
      });
      atEnd(() => void started.child.kill('SIGKILL'));
      return started;
    },
    async kill(name, contender) {
      contender.child.kill('SIGKILL');
      await contender.result;
      appendFileSync(file, `killed ${name}\n`);
    },
    lines,
    has: (line) => lines().includes(line),
    overlaps() {
      const found: string[] = [];
      let holder: string | undefined;
      lines().forEach((line, index) => {
        const [what, name] = line.split(' ');
        if (what === 'begin') {
          if (holder !== undefined) found.push(`${index}: ${line} while ${holder} holds it`);
          holder = name;
        } else if (what === 'killed') {
          if (holder === name) holder = undefined;
        } else {
          if (holder !== name) found.push(`${index}: ${line} while ${holder ?? 'nobody'} holds it`);
          if (what !== 'step') holder = undefined;
        }
      });
      return found;
    },
  };
}
