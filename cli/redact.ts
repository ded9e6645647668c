/** Hides secrets in text that is about to be printed. */
export interface Redactor {
  add(secrets: readonly string[]): void;
  redact(text: string): string;
}

/** User and password inside a URL, whoever wrote it. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]*:[^\s/@]+@/gi;

/** Hides every secret that was added so far, also as a URL has it, and what any URL says of user and password. */
export function createRedactor(): Redactor {
  const patterns: RegExp[] = [];
  return {
    add(secrets) {
      for (const secret of secrets) {
        for (const form of new Set([secret, encodeURIComponent(secret)])) patterns.push(createPattern(form));
      }
    },
    redact(text) {
      let result = text.replace(URL_CREDENTIALS, '$1***@');
      for (const pattern of patterns) result = result.replace(pattern, '***');
      return result;
    },
  };
}

/** A short secret is only hidden where it stands alone: a password `a` must not blacken every word. */
function createPattern(secret: string): RegExp {
  const escaped = secret.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  if (secret.length >= 12) return new RegExp(escaped, 'g');
  const before = /^[A-Za-z0-9]/.test(secret) ? '(?<![A-Za-z0-9])' : '';
  const after = /[A-Za-z0-9]$/.test(secret) ? '(?![A-Za-z0-9])' : '';
  return new RegExp(before + escaped + after, 'g');
}
