import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { exists, PAGES, readPage, splitPage } from './pages.ts';

/** Headings as the addresses GitHub gives them. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of splitPage(readPage(path)).prose.matchAll(/^#+ +(.*)$/gm)) {
    const words = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const taken = [...anchors].filter(
      (one) => one === anchor || /^-\d+$/.test(one.slice(anchor.length)),
    ).length;
    anchors.add(taken === 0 || !anchors.has(anchor) ? anchor : `${anchor}-${taken}`);
  }
  return anchors;
}

test.each(PAGES)('the links of %s lead somewhere', (page) => {
  const { prose } = splitPage(readPage(page));
  const lost = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), path));
      return !exists(file) || (anchor !== undefined && !anchorsOf(file).has(anchor));
    });
  expect(lost).toEqual([]);
});
