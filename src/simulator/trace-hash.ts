// trace-hash.ts: one number that stands for a whole run.
//
// Every event of a world, with its time and bytes, is folded into two 32-bit lanes. Two runs that
// differ anywhere end with different digests, so "the same seed gives the same run" can be tested
// by comparing 16 characters. It is no cryptographic hash and no checksum of anything durable.

const TWO_POW_32 = 0x1_0000_0000;

function scramble(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x7feb352d);
  z = Math.imul(z ^ (z >>> 15), 0x846ca68b);
  return z ^ (z >>> 16);
}

function toHex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** Rolling 64-bit hash. The order of what is added matters. */
export class TraceHash {
  #left = 0x243f6a88;
  #right = 0x13198a2e | 0;

  /** Folds in the low 32 bits of an integer. */
  addWord(word: number): void {
    const left = Math.imul(this.#left ^ word, 0x9e3779b1);
    this.#left = (left << 15) | (left >>> 17);
    const right = Math.imul(this.#right + word, 0x85ebca77);
    this.#right = ((right << 13) | (right >>> 19)) ^ left;
  }

  /** Folds in an integer from 0 to 2^53 - 1. */
  addInteger(value: number): void {
    this.addWord(value | 0);
    this.addWord((value / TWO_POW_32) | 0);
  }

  /** Folds in bytes and how many they are. */
  addBytes(buffer: Uint8Array, offset: number, length: number): void {
    // The same steps as addWord, with the lanes in locals: most of a run's bytes pass here.
    let leftLane = this.#left;
    let rightLane = this.#right;
    let at = offset;
    const end = offset + length;
    for (; at + 4 <= end; at += 4) {
      const word =
        (buffer[at] as number) |
        ((buffer[at + 1] as number) << 8) |
        ((buffer[at + 2] as number) << 16) |
        ((buffer[at + 3] as number) << 24);
      const left = Math.imul(leftLane ^ word, 0x9e3779b1);
      leftLane = (left << 15) | (left >>> 17);
      const right = Math.imul(rightLane + word, 0x85ebca77);
      rightLane = ((right << 13) | (right >>> 19)) ^ left;
    }
    this.#left = leftLane;
    this.#right = rightLane;
    let rest = 0;
    for (; at < end; at++) {
      rest = (rest << 8) | (buffer[at] as number);
    }
    this.addWord(rest);
    this.addWord(length);
  }

  /** Folds in text, for names and outcomes. */
  addText(text: string): void {
    for (let i = 0; i < text.length; i++) {
      this.addWord(text.charCodeAt(i));
    }
    this.addWord(text.length);
  }

  /** 16 hexadecimal digits. Reading it changes nothing. */
  digest(): string {
    const left = scramble(this.#left ^ this.#right);
    return toHex(left) + toHex(scramble(this.#right + left));
  }
}
