import { Command, CommanderError } from 'commander';
import { EXIT_WARNINGS, isPgarcError, messageOf, PgarcError } from '../src/errors.ts';
import { VERSION } from '../src/version.ts';
import { COMMANDS } from './commands.ts';
import { findClusterDirectory, mapExitCode } from './exit-code.ts';
import { leave } from './leave.ts';
import { describeError, renderError } from './render-error.ts';
import { createRuntime, type Runtime } from './runtime.ts';
import { addSettingOptions, collectSettingOptions } from './setting-options.ts';

/** Runs the command line, then leaves the process. @param argv arguments after the program's name */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  const name = findCommandName(program, argv);
  let active: Command = program;
  program.hook('preAction', (_, command) => {
    active = command;
  });
  const interruption = new AbortController();
  const runtime = createRuntime({
    signal: interruption.signal,
    given: () => collectSettingOptions(active),
    tellsWarnings: name !== 'wal-push' && name !== 'wal-fetch',
  });
  const exitWith = (code: number): never => process.exit(mapForPostgres(name, code, active));

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
    process.on(signal, () => {
      if (interruption.signal.aborted) exitWith(75);
      interruption.abort(new PgarcError('interrupted', `interrupted by ${signal}`));
    });
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      reportError(runtime, error, argv);
      exitWith(1);
    });
  }

  let code: number;
  try {
    await defineCommands(program, name, runtime);
    await program.parseAsync(argv, { from: 'user' });
    code = runtime.exitCode;
  } catch (thrown) {
    code = handleError(runtime, thrown, argv, program);
  }
  await runtime.close();
  if (runtime.stdout.failure !== undefined && name !== 'wal-push' && name !== 'wal-fetch') {
    code = await handleLostOutput(runtime, runtime.stdout.failure, code);
  }
  await leave(mapForPostgres(name, code, active));
}

function createProgram(): Command {
  const program = new Command('pgarc')
    .description('Backup and WAL archive for PostgreSQL on S3 or a folder.')
    .usage('<COMMAND> [options]')
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [COMMAND]', 'print help of a command')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addSettingOptions(program);
  return program;
}

/** The command that is asked for, also after `help`; undefined for none or an unknown one. */
function findCommandName(program: Command, argv: readonly string[]): string | undefined {
  const withValue = new Set(program.options.filter(({ required }) => required).map(({ long }) => long));
  const words = argv.filter((word, index) => !word.startsWith('-') && !withValue.has(argv[index - 1]));
  const wanted = words[0] === 'help' ? words[1] : words[0];
  return COMMANDS.find(({ name }) => name === wanted)?.name;
}

/** Names all commands and loads only the one that runs. */
async function defineCommands(program: Command, wanted: string | undefined, runtime: Runtime): Promise<void> {
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(summary);
    if (name !== wanted) continue;
    const { define } = await load();
    define(command, runtime);
    addSettingOptions(command);
  }
}

/** Tells of an error once. @returns the exit code */
function handleError(runtime: Runtime, thrown: unknown, argv: readonly string[], program: Command): number {
  let error = thrown;
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return 0;
    // `pgarc` alone: commander has printed the help.
    if (thrown.code === 'commander.help') return 2;
    error = createUsageError(thrown, program, argv);
  } else if (runtime.signal.aborted && !isPgarcError(thrown, 'interrupted')) {
    const { message } = runtime.signal.reason as PgarcError;
    error = new PgarcError('interrupted', message, isAbort(thrown) ? {} : { cause: thrown });
  }
  reportError(runtime, error, argv);
  return isPgarcError(error) ? error.exitCode : 1;
}

/** A list that did not arrive must not look like an empty one. @returns the exit code */
async function handleLostOutput(runtime: Runtime, cause: Error, code: number): Promise<number> {
  const error = new PgarcError('failed', `what was to be printed could not be written: ${messageOf(cause)}`, {
    hint: 'Make room where the standard output goes, then run it again.',
    cause,
  });
  reportError(runtime, error, []);
  await runtime.stderr.flush();
  return code === 0 || code === EXIT_WARNINGS ? error.exitCode : code;
}

function reportError(runtime: Runtime, error: unknown, argv: readonly string[]): void {
  if (runtime.logFormat === 'json') {
    const line = { time: new Date().toISOString(), level: 'error', event: 'failed', ...describeError(error) };
    runtime.stderr.write(`${JSON.stringify(line)}\n`);
  } else {
    runtime.stderr.write(renderError(error, { stack: process.env.PGARC_DEBUG === '1' }));
  }
  if (argv.includes('--json') && !runtime.hasPrintedJson) {
    const document = JSON.stringify({ error: describeError(error) }, undefined, 2);
    runtime.stdout.write(`${runtime.redact(document)}\n`);
  }
}

/** commander's `error: unknown option '--x'\n(Did you mean --y?)` as ours. */
function createUsageError(thrown: CommanderError, program: Command, argv: readonly string[]): PgarcError {
  const [message = '', suggestion] = thrown.message.replace(/^error: /, '').split('\n');
  const command = program.commands.find((one) => argv.includes(one.name()));
  const help = `See \`${['pgarc', ...(command ? [command.name()] : []), '--help'].join(' ')}\`.`;
  const hint = suggestion === undefined ? help : suggestion.replace(/^\(|\)$/g, '');
  return new PgarcError('usage', message, { hint });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function mapForPostgres(name: string | undefined, code: number, command: Command): number {
  if (name !== 'wal-fetch') return mapExitCode(name, code, '');
  const pgdata = collectSettingOptions(command).settings.pgdata || process.env.PGARC_PGDATA;
  const destination = command.name() === name ? command.args[1] : undefined;
  return mapExitCode(name, code, findClusterDirectory(destination, pgdata || process.env.PGDATA));
}
