/** What differs from run to run, and the word that stands for it when two outputs are compared. */
export type Varying = readonly [pattern: RegExp, word: string];

const UNIT = '(?:B|KiB|MiB|GiB|kB|MB|GB|bytes)';
const SPAN = '(?:ms|s|min|h|d|sec|seconds?|minutes?|hours?|days?)';

const VARYING: readonly Varying[] = [
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?| UTC)?/g, 'TIME'],
  [/\b\d\d:\d\d:\d\d(\.\d+)?\b/g, 'TIME'],
  // Segments of a timeline, in the table of wal-verify.
  [/ \d+( +[0-9A-F]{24} )/g, ' N$1'],
  // The timeline stays.
  [/(?<![0-9A-Za-z])([0-9A-F]{8})[0-9A-F]{16}(\.[0-9A-F]{8}\.backup)?\b/g, '$1SEGMENT'],
  [/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/g, 'LSN'],
  [/\b\d{18,20}\b/g, 'SYSTEM'],
  [/\brequest [0-9A-Z]{12,}\b/g, 'request ID'],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID'],
  [/\b\d+ WAL files? waits?\b/g, 'N WAL files wait'],
  [new RegExp(`\\b\\d+(\\.\\d+)? ?${UNIT}(/s)?(?![\\w-])`, 'g'), 'SIZE'],
  [new RegExp(`\\b\\d+(\\.\\d+)? ${SPAN}( \\d+ ${SPAN})?\\b`, 'g'), 'SPAN'],
  [/\bjust now\b/g, 'SPAN ago'],
  [/\b\d+(\.\d+)? ?%/g, 'PART'],
  [/\b\d+ (file|object|failure)s?\b/g, 'N $1s'],
  [/\b\d+ (segments? of|of them (?:WAL segments|a WAL segment))\b/g, 'N segments'],
  [/\b(pid|PID)(:? )\d+\b/g, '$1$2N'],
  [/\[\d+\]/g, '[N]'],
  [/\.{2,}/g, '..'],
  [/[-─]{2,}/g, '--'],
  [/ {2,}/g, ' '],
];

/** An output without what differs from run to run. */
export function normalise(text: string, more: readonly Varying[] = []): string {
  const common = [...more, ...VARYING].reduce((all, [pattern, word]) => all.replace(pattern, word), text);
  const lines = common.split('\n').map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  return lines.join('\n');
}

/** Whether an output is what a page says. On the page `…` is any text, and any lines when it is one itself. */
export function isAsWritten(written: string, actual: string, more: readonly Varying[] = []): boolean {
  const lines = normalise(written, more).split('\n');
  const pattern = lines.map((line) =>
    line === '…' ? '(?:.*\n)*?' : `${line.split('…').map(escapeRegExp).join('.*?')}\n`,
  );
  return new RegExp(`^${pattern.join('')}$`).test(`${normalise(actual, more)}\n`);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Draws tables with `|` between columns anew, whose cells have become longer or shorter. */
export function alignTables(text: string): string {
  return text.replace(/(?:^[|+].*[|+]$\n?){3,}/gm, (table) => {
    const lines = table.trimEnd().split('\n');
    const rows = lines.filter((line) => line.startsWith('|')).map((line) => line.slice(1, -1).split('|'));
    const isRight = rows[0]!.map((_, column) => rows.some((row) => /^ {2,}\S/.test(row[column] ?? '')));
    const widths = rows[0]!.map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? '').trim().length)),
    );
    const drawn = lines.map((line) => {
      if (!line.startsWith('|')) {
        const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
        const title = /^\+ (.*?) -*[-+]*$/.exec(line)?.[1];
        return title === undefined ? rule : `+ ${title} ${rule.slice(title.length + 3)}`;
      }
      const cells = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      const padded = cells.map((cell, column) =>
        isRight[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      );
      return `| ${padded.join(' | ')} |`;
    });
    return `${drawn.join('\n')}\n`;
  });
}

/** What a terminal shows in the end of what was written to it. */
export function readScreen(written: string): string {
  return written
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => line.split('\r').reduce(overwrite, '').trimEnd())
    .join('\n');
}

/** Writes text over a line from its beginning; only colours and "erase to the end" are understood. */
function overwrite(line: string, text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told
  const erases = /\x1b\[0?K/.test(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
  const shown = text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
  return erases ? shown : shown + line.slice(shown.length);
}
