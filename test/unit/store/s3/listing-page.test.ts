import { describe, expect, it } from 'vitest';
import { splitPage } from '../../../../src/store/s3/listing-page.ts';

const entry = (key: string, more = '') =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-21T12:00:00.123Z</LastModified><ETag>&#34;x&#34;</ETag><Size>42</Size>${more}<StorageClass>STANDARD</StorageClass></Contents>`;
const page = (...entries: string[]) =>
  `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated>${entries.join('')}<NextContinuationToken>t</NextContinuationToken></ListBucketResult>`;

describe('splitPage', () => {
  it('takes the objects out and leaves the rest as it was', () => {
    const owner = '<Owner><ID>1</ID><DisplayName>x</DisplayName></Owner>';
    const split = splitPage(page(entry('a/b'), entry('a/c', owner)));
    const time = new Date('2026-11-21T12:00:00.123Z');
    expect(split?.objects).toEqual([
      { Key: 'a/b', Size: 42, LastModified: time },
      { Key: 'a/c', Size: 42, LastModified: time },
    ]);
    expect(split?.rest).toBe(page());
  });

  it('reads the entities of XML', () => {
    expect(splitPage(page(entry('a &amp;&lt;&gt;&quot;&apos; &#xe4;&#228;')))?.objects[0]?.Key).toBe(
      `a &<>"' ää`,
    );
  });

  it('finds no object in a page without one', () => {
    expect(splitPage(page())).toEqual({ objects: [], rest: page() });
  });

  it.each([
    ['no size', page(entry('a').replace('<Size>42</Size>', ''))],
    ['two keys', page(entry('a', '<Key>b</Key>'))],
    ['a size that is none', page(entry('a').replace('42', '4x'))],
    ['a time that is none', page(entry('a').replace('2026-11-21T12', 'noon'))],
    ['an entity nobody knows', page(entry('a&nbsp;b'))],
    ['a bare ampersand', page(entry('a&b'))],
    ['CDATA', page(entry('a'), '<![CDATA[x]]>')],
    ['an element within a value', page(entry('<b>a</b>'))],
    ['an attribute', page(entry('a').replace('<Contents>', '<Contents x="1">'))],
    ['no end', page(entry('a').replace('</Contents>', ''))],
  ])('leaves a page with %s to the SDK', (_, text) => {
    expect(splitPage(text)).toBeUndefined();
  });
});
