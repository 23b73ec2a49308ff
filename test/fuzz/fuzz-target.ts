// fuzz-target.ts: what a fuzz target is, and the chance and the bytes that it works with.

import type { Prng } from '../../src/simulator/prng.js';

/** Code that is given bytes by somebody who means harm, and what must hold whatever they are. */
export interface FuzzTarget {
  readonly name: string;
  /** A valid or nearly valid input, so that mutations get beyond the first check. */
  generate(random: Prng): Uint8Array;
  /**
   * Runs one input.
   *
   * @returns a short text of how it went: inputs with a new text are kept and mutated further.
   * @throws when a property does not hold.
   */
  run(input: Uint8Array): string;
  /** Releases what the runs have used. */
  close?(): void;
}

/** Builds a target; some load modules first. */
export type FuzzTargetFactory = () => FuzzTarget | Promise<FuzzTarget>;

/** Throws when a property does not hold. */
export function hold(condition: boolean, what: string): asserts condition {
  if (!condition) {
    throw new Error(`does not hold: ${what}`);
  }
}

/** Numbers that sizes, counts and positions are most afraid of. */
const EVIL_NUMBERS = [
  0, 1, -1, 2, 7, 31, 32, 33, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 4095, 4096, 65_535,
  65_536, 65_537, 0x7fff_ffff, -0x8000_0000, 0x4000_0000, 0x4000_0020, 0x1000_0000,
] as const;

export function evilNumber(random: Prng): number {
  return random.chance(3, 4) ? random.pick(EVIL_NUMBERS) : random.nextUint32() | 0;
}

/** Random bytes. */
export function randomBytes(random: Prng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    bytes[index] = random.below(256);
  }
  return bytes;
}

/** Reads choices from bytes, so that a sequence of choices can be mutated and kept like bytes. */
export class Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether any byte is left; what is read beyond the end is 0. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** An integer from 0 to bound - 1, for a bound up to 2^16. */
  below(bound: number): number {
    return (this.byte() * 256 + this.byte()) % bound;
  }

  uint32(): number {
    return (this.below(65_536) * 65_536 + this.below(65_536)) >>> 0;
  }

  /** What is left. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }
}

const INPUT_LENGTH_MAX = 64 * 1024;

/** Changes an input in a few places. */
export function mutate(input: Uint8Array, random: Prng, others: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = input.slice();
  for (let count = 1 + random.below(4); count > 0; count--) {
    bytes = mutateOnce(bytes, random, others);
  }
  return bytes.subarray(0, INPUT_LENGTH_MAX);
}

function mutateOnce(bytes: Uint8Array, random: Prng, others: readonly Uint8Array[]): Uint8Array {
  if (bytes.length === 0) {
    return randomBytes(random, 1 + random.below(64));
  }
  const at = random.below(bytes.length);
  switch (random.below(9)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
    case 3:
      return withNumber(bytes, random);
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return joined(bytes.subarray(0, at), randomBytes(random, random.below(64)));
    case 6: {
      const end = Math.min(bytes.length, at + 1 + random.below(64));
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    }
    case 7: {
      const end = Math.min(bytes.length, at + 1 + random.below(64));
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    }
    default: {
      const other = others.length === 0 ? bytes : random.pick(others);
      return joined(bytes.subarray(0, at), other.subarray(Math.min(at, other.length)));
    }
  }
}

/** Sets a number of 1, 2, 4 or 8 bytes at a place where a field may be. */
function withNumber(bytes: Uint8Array, random: Prng): Uint8Array {
  const width = random.pick([1, 2, 4, 4, 8, 8]);
  if (bytes.length < width) {
    return bytes;
  }
  const step = random.chance(1, 2) ? 4 : 1;
  const at = random.below(Math.floor((bytes.length - width) / step) + 1) * step;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = evilNumber(random);
  if (width === 1) {
    view.setInt8(at, value);
  } else if (width === 2) {
    view.setInt16(at, value, true);
  } else if (width === 4) {
    view.setInt32(at, value, true);
  } else {
    view.setInt32(at, random.chance(1, 2) ? value : random.nextUint32() | 0, true);
    view.setInt32(at + 4, random.pick([0, -1, value, 0x001f_ffff, 0x0020_0000, 0x7fff_ffff]), true);
  }
  return bytes;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
