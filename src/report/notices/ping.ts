/** What a ping says of a run. */
export type PingStep = 'start' | 'success' | 'failure';

const WORDS: Readonly<Record<PingStep, string>> = { start: 'start', success: '', failure: 'fail' };

/**
 * The address to ask, by healthchecks.io's convention: `URL/start`, `URL`, `URL/fail`. A query stays behind the
 * path.
 */
export function pingAddress(url: string, step: PingStep): URL {
  const address = new URL(url);
  const path = address.pathname.replace(/\/+$/, '');
  const word = WORDS[step];
  address.pathname = word === '' ? address.pathname : `${path}/${word}`;
  return address;
}
