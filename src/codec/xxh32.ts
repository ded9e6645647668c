/** xxHash, 32 bits, seed 0 (xxHash fast digest algorithm, doc/xxhash_spec.md): the checksum of LZ4 frames. */

const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;
const P3 = 0xc2b2ae3d | 0;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;
const STRIPE = 16;

/** Hashes bytes as they come. */
export class Xxh32 {
  #a = (P1 + P2) | 0;
  #b = P2;
  #c = 0;
  #d = -P1 | 0;
  #length = 0;
  readonly #tail = Buffer.alloc(STRIPE);
  #tailLength = 0;

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    let at = 0;
    if (this.#tailLength > 0) {
      at = Math.min(STRIPE - this.#tailLength, bytes.length);
      this.#tail.set(bytes.subarray(0, at), this.#tailLength);
      this.#tailLength += at;
      if (this.#tailLength < STRIPE) return this;
      this.#mix(wordsOf(this.#tail, STRIPE));
      this.#tailLength = 0;
    }
    const whole = (bytes.length - at) & ~(STRIPE - 1);
    if (whole > 0) this.#mix(wordsOf(bytes.subarray(at), whole));
    const rest = bytes.subarray(at + whole);
    this.#tail.set(rest);
    this.#tailLength = rest.length;
    return this;
  }

  /** @returns an unsigned number */
  digest(): number {
    let hash = P5;
    if (this.#length >= STRIPE) {
      hash = rotate(this.#a, 1) + rotate(this.#b, 7) + rotate(this.#c, 12) + rotate(this.#d, 18);
    }
    hash = (hash + this.#length) | 0;
    let at = 0;
    for (; at + 4 <= this.#tailLength; at += 4) {
      hash = Math.imul(rotate((hash + Math.imul(this.#tail.readInt32LE(at), P3)) | 0, 17), P4);
    }
    for (; at < this.#tailLength; at++) {
      hash = Math.imul(rotate((hash + Math.imul(this.#tail[at]!, P5)) | 0, 11), P1);
    }
    hash = Math.imul(hash ^ (hash >>> 15), P2);
    hash = Math.imul(hash ^ (hash >>> 13), P3);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #mix(words: Int32Array): void {
    let [a, b, c, d] = [this.#a, this.#b, this.#c, this.#d];
    for (let at = 0; at < words.length; at += 4) {
      a = Math.imul(rotate((a + Math.imul(words[at]!, P2)) | 0, 13), P1);
      b = Math.imul(rotate((b + Math.imul(words[at + 1]!, P2)) | 0, 13), P1);
      c = Math.imul(rotate((c + Math.imul(words[at + 2]!, P2)) | 0, 13), P1);
      d = Math.imul(rotate((d + Math.imul(words[at + 3]!, P2)) | 0, 13), P1);
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }
}

/** Hash of a few bytes. */
export function xxh32(bytes: Uint8Array): number {
  return new Xxh32().update(bytes).digest();
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** The words of the first `length` bytes; a view where their place in memory allows one. */
function wordsOf(bytes: Uint8Array, length: number): Int32Array {
  const isAligned = bytes.byteOffset % 4 === 0;
  // Not by slice, which for a Buffer makes a view of the same place.
  const source = isAligned ? bytes : new Uint8Array(bytes.subarray(0, length));
  return new Int32Array(source.buffer, source.byteOffset, length / 4);
}
