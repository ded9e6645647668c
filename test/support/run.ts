import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { asUnprivileged, giveAway } from './unprivileged.ts';

/** Where Node keeps compiled code between the many short runs of pgarc: not in anybody's home. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/pgarc-test', import.meta.url));
mkdirSync(COMPILE_CACHE, { recursive: true });
giveAway(COMPILE_CACHE);

export interface RunOptions {
  /** The whole environment of the process, beside PATH, HOME and LANG. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  stdin?: string | Uint8Array;
  /** Runs it as the account of PostgreSQL when we are root. Default true. */
  asPostgres?: boolean;
  /** ms, default 120 s; then SIGKILL. */
  timeout?: number;
}

export interface RunResult {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Wall clock, ms. */
  durationMs: number;
}

/** A process on its way. */
export interface Running {
  child: ChildProcess;
  result: Promise<RunResult>;
  /** What it has written to stderr so far. */
  stderr(): string;
}

/** Starts a program with a clean environment. Its streams are collected as text. */
export function startProgram(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const { asPostgres = true, timeout = 120_000 } = options;
  const [file, argv] = asPostgres ? asUnprivileged(command, args) : [command, [...args]];
  const started = performance.now();
  const child = spawn(file, argv, {
    cwd: options.cwd ?? '/',
    env: cleanEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  const result = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, durationMs: performance.now() - started });
    });
  });
  return { child, result, stderr: () => stderr };
}

/** Runs a program to its end. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return startProgram(command, args, options).result;
}

/** Runs a program and throws with what it said unless it exits with 0. @returns its stdout */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await runProgram(command, args, options);
  if (result.code !== 0) {
    const end = result.code === null ? `signal ${result.signal}` : `exit code ${result.code}`;
    throw new Error(`${command} ${args.join(' ')}: ${end}\n${result.stderr}\n${result.stdout}`);
  }
  return result.stdout;
}

/** Only what every program needs, so that no setting of the machine leaks into a test. */
export function cleanEnvironment(extra: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: '/nonexistent',
    LANG: 'C.UTF-8',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
  for (const [name, value] of Object.entries(extra)) if (value !== undefined) env[name] = value;
  return env;
}
