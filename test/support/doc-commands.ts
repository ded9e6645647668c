import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { alignTables, isAsWritten, normalise, readScreen, type Varying } from './doc-output.ts';
import { type DocCommand, parseDocPage, replaceOutputs } from './doc-page.ts';
import { ROOT } from './pgarc.ts';
import { startProgram } from './run.ts';
import { makeTemporaryFolder } from './temporary.ts';
import { waitFor } from './wait.ts';

/** Where and how the commands of a page are run. */
export interface DocRun {
  /** What the page's reader has in the environment. */
  readonly env: Record<string, string>;
  /**
   * What a page names by another name than it has here: paths, hosts, ports, moments. Exchanged in commands, and back in
   * what they print. Read anew for each command, so that a step can add to it.
   */
  readonly places?: Map<string, string>;
  /** The same for words that are only printed: the word here, and the page's. */
  readonly shown?: ReadonlyMap<string, string>;
  /**
   * What happens between the commands, by the name that a comment of the page gives it. One that gives false cannot
   * happen here: the commands up to the next step are left out.
   */
  readonly steps?: Readonly<Record<string, () => Promise<unknown>>>;
  /** What differs from run to run beside the usual. */
  readonly varying?: readonly Varying[];
  /** Whether PostgreSQL's account runs them, as is usual; else root where the tests are root. */
  readonly asPostgres?: boolean;
}

/** With it a page that differs gets what the commands print here and now. */
const UPDATES = process.env.PGARC_UPDATE_DOCS === '1';
const COLUMNS = 118;

/**
 * Runs the commands of a page in order, in one shell's environment on a terminal, and compares exit codes and outputs
 * with what the page says.
 * @param path of the page, from the checkout
 */
export async function runDocPage(path: string, run: DocRun): Promise<void> {
  const file = join(ROOT, path);
  const page = parseDocPage(readFileSync(file, 'utf8'));
  const shell = await openShell(run);
  const left = new Set(Object.keys(run.steps ?? {}));
  const outputs: (readonly string[] | undefined)[] = [];
  let isPossible = true;
  try {
    for (const command of page.commands) {
      if (command.step !== undefined) {
        const step = run.steps?.[command.step];
        if (step === undefined) throw new Error(`${path} wants a step that the test lacks: ${command.step}`);
        isPossible = (await step()) !== false;
        left.delete(command.step);
      }
      outputs.push(isPossible ? await runCommand(path, command, run, shell) : undefined);
    }
  } finally {
    if (UPDATES) writeFileSync(file, replaceOutputs(page, outputs));
  }
  expect([...left], `steps that ${path} does not name`).toEqual([]);
}

type Shell = (command: string) => Promise<{ code: number | null; output: string }>;

async function runCommand(
  path: string,
  doc: DocCommand,
  run: DocRun,
  shell: Shell,
): Promise<string[] | undefined> {
  const places = [...(run.places ?? [])];
  const written = doc.output.join('\n');
  const place = `${path}:${doc.from}: $ ${doc.command}`;
  const attempt = async () => {
    const { code, output } = await shell(exchange(doc.command, places));
    const printed = [...places.map(([one, other]) => [other, one] as const), ...(run.shown ?? [])];
    const shown = alignTables(exchange(output, printed));
    return { code, shown, isRight: code === doc.exit && isAsWritten(written, shown, run.varying) };
  };
  let last = await attempt();
  if (doc.repeat && !last.isRight) {
    await waitFor(
      async () => {
        last = await attempt();
        return last.isRight;
      },
      { timeout: UPDATES ? 12_000 : 90_000, interval: 300 },
    ).catch(() => undefined);
  }
  if (last.isRight) return undefined;
  if (UPDATES && last.code === doc.exit)
    return last.shown
      .trimEnd()
      .split('\n')
      .filter((line, at, all) => line !== '' || all.length > 1 || at > 0);
  const show = (code: number | null, text: string) => `exit ${code}\n${normalise(text, run.varying)}`;
  expect(show(last.code, last.shown), place).toBe(show(doc.exit, written));
  // Only where `…` stands the two may differ and yet look alike.
  throw new Error(`${place}\nprints what the page does not say:\n${last.shown}`);
}

/** A bash whose variables and directory last from command to command; each gets a terminal of its own. */
async function openShell(run: DocRun): Promise<Shell> {
  const folder = await makeTemporaryFolder('doc');
  const script = [
    `stty cols ${COLUMNS} rows 50`,
    `[ ! -e ${folder}/env ] || . ${folder}/env`,
    `[ ! -e ${folder}/cwd ] || cd "$(cat ${folder}/cwd)"`,
    'set -a',
    'eval "$DOC_COMMAND"',
    'code=$?',
    'set +a',
    `unset DOC_COMMAND; export -p >${folder}/env; pwd >${folder}/cwd`,
    'exit $code',
  ].join('\n');
  return async (command) => {
    const { result } = startProgram('script', ['-qefc', 'exec bash --norc -c "$DOC_SHELL"', '/dev/null'], {
      cwd: folder,
      asPostgres: run.asPostgres ?? true,
      env: {
        ...run.env,
        PATH: `${join(ROOT, 'cli')}:${run.env.PATH ?? process.env.PATH}`,
        TERM: 'xterm',
        NO_COLOR: '1',
        PAGER: 'cat',
        DOC_SHELL: script,
        DOC_COMMAND: command,
      },
      timeout: 120_000,
    });
    const { code, stdout } = await result;
    return { code, output: readScreen(stdout) };
  };
}

/** Exchanges words for others, the longest first, so that none is taken for a part of another. */
function exchange(text: string, pairs: readonly (readonly [string, string])[]): string {
  const table = new Map(pairs);
  const words = [...table.keys()].sort((one, other) => other.length - one.length);
  if (words.length === 0) return text;
  const escaped = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return text.replace(
    new RegExp(`(?<![\\w])(${escaped.join('|')})(?![\\w])`, 'g'),
    (word) => table.get(word)!,
  );
}
