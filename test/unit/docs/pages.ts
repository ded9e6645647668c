import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/pgarc.ts';

/** Pages for readers, as paths from the checkout. */
export const PAGES: readonly string[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  ...['docs', 'images', 'bench', 'minio'].flatMap(findPages),
];

function findPages(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort();
}

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** A page's text without its code blocks, and the code blocks with their languages. */
export function splitPage(text: string): { prose: string; blocks: { language: string; text: string }[] } {
  const blocks: { language: string; text: string }[] = [];
  const prose = text.replace(/^( *)```(\S*)\n([\s\S]*?)^ *```$/gm, (_, _indent, language, body) => {
    blocks.push({ language, text: body });
    return '';
  });
  return { prose, blocks };
}
