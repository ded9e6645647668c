import { spawn } from 'node:child_process';
import { cleanEnvironment } from '../../test/support/run.ts';
import { asUnprivileged } from '../../test/support/unprivileged.ts';

/** A command on its way. */
export interface Started {
  pid: number;
  /** What it wrote to stdout and to descriptor 3; rejects with its stderr when it fails. */
  result: Promise<{ stdout: string; report: string }>;
}

/** Starts a command as the account of PostgreSQL, with a clean environment and a descriptor 3 for reports. */
export function mustStart(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; cwd?: string } = {},
): Started {
  const [file, argv] = asUnprivileged(command, args);
  const child = spawn(file, argv, {
    cwd: options.cwd ?? '/',
    env: cleanEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const texts = ['', '', ''];
  [child.stdout, child.stderr, child.stdio[3]].forEach((stream, i) => {
    stream?.on('data', (chunk: Buffer) => {
      texts[i] = `${texts[i]}${chunk}`.slice(-1_000_000);
    });
  });
  const result = new Promise<{ stdout: string; report: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const [stdout = '', stderr = '', report = ''] = texts;
      if (code === 0) resolve({ stdout, report });
      else reject(new Error(`${command} ${args.join(' ')}: ${signal ?? code}\n${stderr}\n${stdout}`.trim()));
    });
  });
  return { pid: child.pid ?? 0, result };
}
