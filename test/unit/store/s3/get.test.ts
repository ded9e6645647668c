import { expect, it } from 'vitest';
import { crc32Base64 } from '../../../../src/store/s3/put.ts';
import { openAnsweringStore } from './answering-store.ts';

const BODY = Buffer.from('the bytes of an object');
const RIGHT = crc32Base64(BODY);
/** Also that of the checksums of the parts, which says nothing about the whole. */
const WRONG = crc32Base64(Buffer.from('others'));

/** Reads an object that comes with this tag, checksum and type of checksum. */
async function read(tag: string, checksum: string, type?: string): Promise<Buffer | undefined> {
  const store = await openAnsweringStore((_, response) => {
    response.setHeader('etag', `"${tag}"`);
    response.setHeader('x-amz-checksum-crc32', checksum);
    if (type !== undefined) response.setHeader('x-amz-checksum-type', type);
    return BODY;
  });
  return store.get('x');
}

const TAG = '25f9e794323b453885f5181f1b624d0b';

it.each([
  [TAG, undefined],
  [TAG, 'FULL_OBJECT'],
  [`${TAG}-3`, 'FULL_OBJECT'],
  // Any other form of a tag says nothing of parts.
  ['CKih16GjycICEAE=', undefined],
  [`-${TAG}`, undefined],
])('the checksum of a whole object is checked: tag %s, type %s', async (tag, type) => {
  expect(await read(tag, RIGHT, type)).toEqual(BODY);
  await expect(read(tag, WRONG, type)).rejects.toMatchObject({
    code: 'object-damaged',
    message: expect.stringContaining('does not match its checksum'),
  });
});

it.each([
  [`${TAG}-3`, WRONG, undefined],
  [`${TAG}-10000`, WRONG, 'COMPOSITE'],
  [`${TAG}-3`, `${WRONG}-3`, undefined],
  [`${TAG}-3`, `${WRONG}-3`, 'COMPOSITE'],
  [TAG, WRONG, 'COMPOSITE'],
])(
  'a checksum of checksums is none of the object: tag %s, checksum %s, type %s',
  async (tag, checksum, type) => {
    expect(await read(tag, checksum, type)).toEqual(BODY);
  },
);
