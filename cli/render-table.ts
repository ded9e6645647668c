import { escapeControls } from '../src/report/printable.ts';

/** How a column is aligned. */
export type Alignment = 'left' | 'right';

/**
 * A table as text: a header line, columns two blanks apart, no blanks at the ends of lines.
 * @param alignments of the columns, left where missing
 */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  alignments: readonly (Alignment | undefined)[] = [],
): string {
  const lines = [header, ...rows.map((row) => row.map(escapeControls))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) => {
      const cells = widths.map((width, column) => {
        const cell = line[column] ?? '';
        return alignments[column] === 'right' ? cell.padStart(width) : cell.padEnd(width);
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
