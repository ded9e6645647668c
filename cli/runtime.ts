import { applyEnvdir } from '../src/config/envdir.ts';
import { loadSettings } from '../src/config/load.ts';
import type { ResolvedSettings } from '../src/config/resolve.ts';
import type { Settings } from '../src/config/settings.ts';
import { formatJson } from '../src/json.ts';
import type { PgarcEvent } from '../src/report/events.ts';
import { createReporter, type Reporter } from '../src/report/reporter.ts';
import type { ObjectStore } from '../src/store/store.ts';
import type { CliContext, GivenSettings } from './context.ts';
import { createOutput, type StreamOutput } from './output.ts';
import { createRedactor } from './redact.ts';
import type { GivenOptions } from './setting-options.ts';

/** The one CliContext of a run, and what only main.ts needs of it. */
export interface Runtime extends CliContext {
  readonly stdout: StreamOutput;
  readonly stderr: StreamOutput;
  /** Hides the secrets of the settings loaded so far. */
  redact(text: string): string;
  readonly exitCode: number;
  readonly hasPrintedJson: boolean;
  readonly logFormat: Settings['logFormat'];
  /** Closes stores and waits for all output. */
  close(): Promise<void>;
}

export interface RuntimeOptions {
  signal: AbortSignal;
  /** Flags of the command that runs, known once it has been parsed. */
  given(): GivenOptions;
  /** Whether loading settings tells of their warnings; PostgreSQL calls wal-push too often for that. */
  tellsWarnings: boolean;
}

/** Reads neither settings nor files yet: until a command loads settings, it reports in plain text from `info` on. */
export function createRuntime({ signal, given, tellsWarnings }: RuntimeOptions): Runtime {
  const redactor = createRedactor();
  const stores: ObjectStore[] = [];
  const stderr = createOutput(process.stderr, (text) => redactor.redact(text));
  let reporter: Reporter = createReporter(stderr, { format: 'plain', level: 'info' });
  const stdout = createOutput(process.stdout, (text) => {
    reporter.clearStatus();
    return text;
  });
  let environment: NodeJS.ProcessEnv | undefined;
  const state = {
    exitCode: 0,
    hasPrintedJson: false,
    logFormat: undefined as Settings['logFormat'] | undefined,
  };
  const emit = (event: PgarcEvent) => reporter.report(event);

  async function resolveSettings(own: GivenSettings = {}): Promise<ResolvedSettings> {
    const options = given();
    environment ??= prepareEnvironment(options.envdir);
    const flags: Record<string, string | undefined> = { ...options.settings };
    for (const [key, value] of Object.entries(own)) if (value !== undefined) flags[key] = value;
    const resolved = await loadSettings({ flags, environment, config: options.config });
    redactor.add(resolved.secrets);
    state.logFormat = resolved.settings.logFormat;
    reporter.close();
    reporter = createReporter(stderr, {
      format: resolved.settings.logFormat,
      level: resolved.settings.logLevel,
    });
    return resolved;
  }

  return {
    signal,
    emit,
    stdout,
    stderr: {
      ...stderr,
      write(text) {
        reporter.clearStatus();
        stderr.write(text);
      },
    },
    resolveSettings,
    async loadSettings(own) {
      const { settings, warnings } = await resolveSettings(own);
      if (tellsWarnings) for (const message of warnings) emit({ type: 'warning', message });
      return settings;
    },
    async openStore(settings) {
      const { openStore } = await import('../src/store/open.ts');
      const store = await openStore(settings, emit);
      stores.push(store);
      return store;
    },
    printJson(document) {
      state.hasPrintedJson = true;
      stdout.write(`${formatJson(document, 2)}\n`);
    },
    setExitCode(code) {
      state.exitCode = code;
    },
    redact: redactor.redact,
    get exitCode() {
      return state.exitCode;
    },
    get hasPrintedJson() {
      return state.hasPrintedJson;
    },
    get logFormat() {
      // Settings that cannot be loaded still say how to tell of it.
      const early = given().settings.logFormat ?? process.env.PGARC_LOG_FORMAT;
      return state.logFormat ?? (early === 'json' ? 'json' : 'plain');
    },
    async close() {
      reporter.close();
      for (const store of stores) store.close();
      await Promise.all([stdout.flush(), stderr.flush()]);
    },
  };
}

/**
 * The environment with --envdir in it. Also changes process.env, as the envdir tool would: the AWS chain and
 * programs that are started read it too.
 */
function prepareEnvironment(envdir: string | undefined): NodeJS.ProcessEnv {
  if (envdir === undefined) return process.env;
  const result = applyEnvdir(envdir, process.env);
  for (const name of Object.keys(process.env)) if (result[name] === undefined) delete process.env[name];
  Object.assign(process.env, result);
  return process.env;
}
