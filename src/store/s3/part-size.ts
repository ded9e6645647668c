const MIB = 1024 * 1024;

/** Most parts of a multipart upload (S3, "Amazon S3 multipart upload limits"). */
export const MAX_PARTS = 10_000;

/** Size of the first parts, bytes. */
export const PART_BYTES = 8 * MIB;

/** Parts after which their size doubles, so that huge streams fit into 10,000 of them. */
const PARTS_A_STEP = 1000;

const LARGEST_PART_BYTES = 64 * MIB;

/** Parts of one size, where it is known how large a stream gets; the others are there for one that gets larger. */
const STEADY_PARTS = MAX_PARTS - PARTS_A_STEP;

/**
 * Size of a part (not the last), bytes. Some stores (Cloudflare R2) want all but the last of one size, which takes to
 * know beforehand how many there will be.
 * @param number from 1
 * @param expected bytes of the whole stream, at most; undefined where nobody knows
 */
export function partSize(number: number, expected?: number): number {
  if (expected === undefined) {
    const doublings = Math.floor((number - 1) / PARTS_A_STEP);
    return Math.min(LARGEST_PART_BYTES, PART_BYTES * 2 ** doublings);
  }
  if (number > STEADY_PARTS) return LARGEST_PART_BYTES;
  const steady = Math.ceil(expected / STEADY_PARTS / MIB) * MIB;
  return Math.min(LARGEST_PART_BYTES, Math.max(PART_BYTES, steady));
}

/** Largest stream that fits, bytes: 492 GiB where its size is not expected, up to 625 GiB where it is. */
export function largestStream(expected?: number): number {
  let bytes = 0;
  for (let number = 1; number <= MAX_PARTS; number++) bytes += partSize(number, expected);
  return bytes;
}
