import { crc32c } from '@node-rs/crc32';

// Most records are shorter than what a call into native code costs.
const NATIVE_FROM = 256;
const TABLE = makeTable();

/** CRC-32C (Castagnoli, reflected 0x82F63B78) of `bytes[from, to)`, continuing `crc`; 0 starts one. */
export function updateCrc(crc: number, bytes: Buffer, from: number, to: number): number {
  if (to - from >= NATIVE_FROM) return crc32c(bytes.subarray(from, to), crc);
  let state = ~crc;
  for (let i = from; i < to; i++) state = TABLE[(state ^ bytes[i]!) & 0xff]! ^ (state >>> 8);
  return ~state >>> 0;
}

function makeTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0x82f63b78 : state >>> 1;
    return state;
  });
}
