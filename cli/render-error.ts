import { isPgarcError, messageOf } from '../src/errors.ts';
import { escapeControlsInLines } from '../src/report/printable.ts';

/** An error as people read it: what, why, what to do. Each line ends with a line break. */
export function renderError(error: unknown, options: { stack: boolean }): string {
  const lines = messageOf(error)
    .split('\n')
    .map((line) => `pgarc: ${line}`);
  for (const cause of listCauses(error)) lines.push(`cause: ${cause}`);
  if (isPgarcError(error) && error.hint !== undefined) lines.push(`hint: ${error.hint}`);
  if (!isPgarcError(error) && !options.stack) {
    lines.push('hint: This is unexpected; run it again with PGARC_DEBUG=1 to see where it happened.');
  }
  if (options.stack && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return `${escapeControlsInLines(lines.join('\n'))}\n`;
}

/** An error as `--json` prints it on stdout, when the command has printed no document. */
export function describeError(error: unknown): Record<string, unknown> {
  const causes = listCauses(error);
  const known = isPgarcError(error) ? error : undefined;
  return {
    code: known?.code ?? 'failed',
    message: messageOf(error),
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    ...(causes.length === 0 ? {} : { causes }),
    ...(known?.details === undefined ? {} : { details: known.details }),
  };
}

/** First lines of the causes that say something the message does not. */
function listCauses(error: unknown): string[] {
  const causes: string[] = [];
  let said = messageOf(error);
  let current = error instanceof Error ? error.cause : undefined;
  while (current !== undefined && causes.length < 3) {
    const message = (messageOf(current).split('\n')[0] ?? '').slice(0, 300);
    if (message !== '' && !said.includes(message)) {
      causes.push(message);
      said += message;
    }
    current = current instanceof Error ? current.cause : undefined;
  }
  return causes;
}
