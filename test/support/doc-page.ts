/** One command of a page, with what the page says comes of it. */
export interface DocCommand {
  /** As it is typed; lines that continue it are part of it. */
  readonly command: string;
  /** Exit code the page marks with `# exit N`; 0 without. */
  readonly exit: number;
  readonly output: readonly string[];
  /** Lines of the page that hold the output: from, up to but without. */
  readonly from: number;
  readonly to: number;
  /** From the comment before the block: the test does this before the block's first command. */
  readonly step: string | undefined;
  /** The command is run again and again until it says what the page says. */
  readonly repeat: boolean;
}

export interface DocPage {
  readonly lines: readonly string[];
  readonly commands: readonly DocCommand[];
  /** Reasons why blocks are not run. */
  readonly notRun: readonly string[];
}

/**
 * Finds the commands of a page: the lines `$ …` of its console blocks, `> …` for the lines that continue one, and
 * below them what they print. Comments before a block are for the test: `<!-- test: WHAT -->` names a step to take
 * first, `<!-- repeat -->` and `<!-- not run: REASON -->`.
 * @throws when a console block is not understood
 */
export function parseDocPage(text: string): DocPage {
  const lines = text.split('\n');
  const commands: DocCommand[] = [];
  const notRun: string[] = [];
  let directives: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const directive = /^<!-- (.*) -->$/.exec(line)?.[1];
    if (directive !== undefined) directives.push(directive);
    const fence = /^( *)```(\S*)/.exec(line);
    if (fence === null) continue;
    const end = lines.findIndex((other, index) => index > at && other.trim() === '```');
    if (end === -1) throw new Error(`the block of line ${at + 1} does not end`);
    const reason = find(directives, 'not run: ');
    if (reason !== undefined) notRun.push(reason);
    else if (fence[2] === 'console') commands.push(...parseBlock(lines, at + 1, end, directives));
    directives = [];
    at = end;
  }
  if (directives.length > 0) throw new Error(`no block follows: ${directives.join(', ')}`);
  return { lines, commands, notRun };
}

function parseBlock(
  lines: readonly string[],
  start: number,
  end: number,
  directives: string[],
): DocCommand[] {
  const found: DocCommand[] = [];
  let step = find(directives, 'test: ');
  for (let at = start; at < end; ) {
    const first = /^\$ (.*)$/.exec(lines[at]!)?.[1];
    if (first === undefined) throw new Error(`line ${at + 1} belongs to no command: ${lines[at]}`);
    const typed = [first];
    at += 1;
    while (at < end && lines[at]!.startsWith('> ')) typed.push(lines[at++]!.slice(2));
    const from = at;
    while (at < end && !lines[at]!.startsWith('$ ')) at += 1;
    const exit = /\s+# exit (\d+)$/.exec(typed.at(-1)!);
    if (exit !== null) typed.push(typed.pop()!.slice(0, exit.index));
    found.push({
      command: typed.join('\n'),
      exit: Number(exit?.[1] ?? 0),
      output: lines.slice(from, at),
      from,
      to: at,
      step,
      repeat: directives.includes('repeat'),
    });
    step = undefined;
  }
  return found;
}

function find(directives: readonly string[], word: string): string | undefined {
  return directives.find((directive) => directive.startsWith(word))?.slice(word.length);
}

/** The page with other outputs: one for each command, undefined to leave it as it is. */
export function replaceOutputs(page: DocPage, outputs: readonly (readonly string[] | undefined)[]): string {
  const lines = [...page.lines];
  for (let index = page.commands.length - 1; index >= 0; index--) {
    const output = outputs[index];
    const { from, to } = page.commands[index]!;
    if (output !== undefined) lines.splice(from, to - from, ...output);
  }
  return lines.join('\n');
}
