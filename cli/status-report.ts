import { escapeControls } from '../src/report/printable.ts';
import type { Trouble } from '../src/status/diagnose.ts';
import { type Line, summarize } from '../src/status/lines.ts';

const GREEN = '32';
const RED = '31';
const BOLD = '1';

/** The screen of `pgarc status`: the verdict, a line a fact, and what to do about each trouble. */
export function renderStatus(lines: readonly Line[], troubles: readonly Trouble[], colors: boolean): string {
  const paint = (text: string, colour: string) => (colors ? `\x1b[${colour}m${text}\x1b[0m` : text);
  const verdict = { label: 'health', text: paint(summarize(troubles), troubles.length === 0 ? GREEN : RED) };
  const [cluster, ...rest] = lines;
  const shown = ({ label, text }: Line) => ({ label, text: escapeControls(text) });
  const all = [...(cluster === undefined ? [] : [shown(cluster)]), verdict, ...rest.map(shown)];
  const width = Math.max(...all.map(({ label }) => label.length));
  const facts = all.map(({ label, text }) => `${paint(label.padEnd(width), BOLD)}  ${text}\n`);
  const todo = troubles.map(
    ({ subject, message, command }) =>
      `${paint(`${subject}:`, RED)} ${escapeControls(message)}\n  $ ${escapeControls(command)}\n`,
  );
  return `${facts.join('')}${todo.length === 0 ? '' : `\n${todo.join('')}`}`;
}
