const MIB = 1024 * 1024;

/** Most parts of a multipart upload (S3, "Amazon S3 multipart upload limits"). */
export const MAX_PARTS = 10_000;

/** Size of the first parts, bytes. */
export const PART_BYTES = 8 * MIB;

/** Parts after which their size doubles, so that huge streams fit into 10,000 of them. */
const PARTS_A_STEP = 1000;

const LARGEST_PART_BYTES = 64 * MIB;

/** Size of a part (not the last), bytes. @param number from 1 */
export function partSize(number: number): number {
  const doublings = Math.floor((number - 1) / PARTS_A_STEP);
  return Math.min(LARGEST_PART_BYTES, PART_BYTES * 2 ** doublings);
}

/** Largest stream that fits, bytes: 492 GiB. */
export function largestStream(): number {
  let bytes = 0;
  for (let number = 1; number <= MAX_PARTS; number++) bytes += partSize(number);
  return bytes;
}
