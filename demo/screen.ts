import { stripVTControlCharacters, styleText } from 'node:util';

const colors = process.stdout.isTTY && !process.env.NO_COLOR;

function style(format: Parameters<typeof styleText>[0], text: string): string {
  const styled = styleText(format, text, { validateStream: false });
  return colors ? styled : stripVTControlCharacters(styled);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

let steps = 0;

/** Headline of a step. */
export function step(title: string): void {
  steps += 1;
  print(`\n${style('bold', `${steps}. ${title}`)}`);
}

/** A sentence about what is going on. */
export function note(text: string): void {
  print(`   ${text}`);
}

/** A command as a person would type it. */
export function command(line: string): void {
  print(`   ${style('green', '$')} ${style('cyan', line)}`);
}

/** A statement as a person would type it into psql. */
export function statement(sql: string): void {
  print(`   ${style('green', 'postgres=#')} ${style('cyan', sql)}`);
}

/** A line of a file that a person would write. */
export function line(text: string): void {
  print(`     ${style('cyan', text)}`);
}

/** One thing proven, or not. */
export function proof(holds: boolean, text: string): void {
  print(`   ${holds ? style('green', '✓') : style('red', '✗')} ${text}`);
}

/** The last line. */
export function verdict(holds: boolean, text: string): void {
  print(`\n${style(['bold', holds ? 'green' : 'red'], text)}`);
}
