import type { Command } from 'commander';
import type { ResolvedSettings } from '../src/config/resolve.ts';
import type { Settings } from '../src/config/settings.ts';
import type { Emit } from '../src/report/events.ts';
import type { ObjectStore } from '../src/store/store.ts';

/**
 * What a command gets from main.ts. A command file `cli/commands/<name>.ts` exports
 *
 *     export function define(command: Command, context: CliContext): void {
 *       describe(command, { description, exitCodes: [7], examples: ['pgarc …'] });   // cli/help.ts
 *       command.argument('<PATH>', '…').option('--json', '…').action(async (path, options) => {
 *         const settings = await context.loadSettings();
 *         const store = await context.openStore(settings);
 *         const { doThing } = await import('../../src/…');          // heavy modules: only here
 *         const result = await doThing({ store, emit: context.emit }, options, context.signal);
 *         context.stdout.write(render(result));                      // or context.printJson(result)
 *       });
 *     }
 *
 * It parses, calls one operation in src/ and renders the result; it never calls process.exit and lets
 * errors through: main.ts renders them and chooses the exit code. Every setting is a flag of every command
 * already (`--store`, `--pgdata`, `--fetch-timeout` …), unless the command declares one of that name itself.
 */
export interface CliContext {
  /** Aborted by the first SIGINT, SIGTERM, SIGHUP or SIGQUIT. */
  readonly signal: AbortSignal;
  /** Tells on stderr, as --log-format wants it: log lines, progress, hints; secrets are hidden. */
  readonly emit: Emit;
  /** Data. Waited for before the process exits. */
  readonly stdout: Output;
  /**
   * Settings from flags, environment, file and defaults.
   * @param given values the command took from its own arguments; undefined ones are ignored. Stronger than
   *   any other source
   * @throws PgarcError `setting-invalid`
   */
  loadSettings(given?: GivenSettings): Promise<Settings>;
  /** The same with where each value came from; its warnings are the caller's to tell. */
  resolveSettings(given?: GivenSettings): Promise<ResolvedSettings>;
  /** Opens the store of the settings; closed when the command ends. @throws PgarcError `setting-invalid` without one */
  openStore(settings: Settings): Promise<ObjectStore>;
  /** Prints the one document of --json. BigInts print as decimal numbers, dates as RFC 3339. */
  printJson(document: unknown): void;
  /** Exit code of a run that ends without an error, such as EXIT_WARNINGS. */
  setExitCode(code: number): void;
}

/** Setting values as a user writes them, by key of Settings. */
export type GivenSettings = { readonly [K in keyof Settings]?: string | undefined };

/** Where text goes. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Whether colours may be used: a terminal, and NO_COLOR is not set. */
  readonly colors: boolean;
}

/** A file in cli/commands/. */
export interface CommandModule {
  define(command: Command, context: CliContext): void;
}
