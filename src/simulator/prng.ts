// prng.ts: the only source of chance in a simulated world.
//
// Each component draws from a stream of its own, split off by name, so that a further draw in one
// component does not shift the dice of all others. Every draw is integer arithmetic: Math.log, exp
// and pow may differ in their last bit between engine versions, and a seed must mean the same run
// everywhere. The generator is sfc32 (128 bits of state); its state is filled by splitmix32.

import { assert } from '../assert.js';

const TWO_POW_32 = 0x1_0000_0000;
/** Below this bound one 32-bit draw is enough: the bias of a bucket stays under 2^-11. */
const SMALL_BOUND_MAX = 2 ** 21;
const WARM_UP_ROUNDS = 12;

/** 32-bit FNV-1a over the UTF-16 code units of a name. */
function hashName(name: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** Scrambles one word of a counter sequence (splitmix32). */
function splitMix(counter: number): number {
  let z = counter | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

/** A named stream of random numbers. Invariant: equal seeds and paths give equal sequences. */
export class Prng {
  /** Names from the root to this stream, joined by '/'. */
  readonly path: string;
  readonly #seed: number;
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 0;

  /** @param seed any integer from 0 to 2^53 - 1. */
  constructor(seed: number, path = '') {
    assert(Number.isSafeInteger(seed) && seed >= 0, `seed ${seed} is an integer below 2^53`);
    this.path = path;
    this.#seed = seed;
    this.#fill(path);
  }

  #fill(path: string): void {
    const seed = this.#seed;
    const low = seed >>> 0;
    const high = Math.floor(seed / TWO_POW_32);
    const key = hashName(path, 0x811c9dc5);
    this.#a = splitMix(low ^ key);
    this.#b = splitMix(high + hashName(path, 0x9747b28c));
    this.#c = splitMix(this.#a + 0x9e3779b9 + key);
    this.#counter = splitMix(this.#b ^ low) | 1;
    for (let i = 0; i < WARM_UP_ROUNDS; i++) {
      this.nextUint32();
    }
  }

  /**
   * The stream of a part. It depends on the seed and the names only, never on how many numbers this
   * stream has given already.
   */
  fork(name: string): Prng {
    return new Prng(this.#seed, `${this.path}/${name}`);
  }

  /**
   * Starts anew as the stream of a part: what this object gives from now on depends on the seed and
   * the names only, not on what was drawn before.
   */
  restart(name: string): void {
    this.#fill(`${this.path}/${name}`);
  }

  /** Uniform integer from 0 to 2^32 - 1. */
  nextUint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** Uniform integer from 0 to bound - 1, for a bound from 1 to 2^53 - 1. */
  below(bound: number): number {
    if (bound <= SMALL_BOUND_MAX) {
      assert(bound >= 1, 'a draw is below a bound of at least 1');
      // The product stays below 2^53 and a division by a power of two is exact.
      return Math.floor((this.nextUint32() * bound) / TWO_POW_32);
    }
    assert(Number.isSafeInteger(bound), `bound ${bound} is an integer below 2^53`);
    const fair = Number.MAX_SAFE_INTEGER - (Number.MAX_SAFE_INTEGER % bound);
    for (;;) {
      const value = (this.nextUint32() >>> 11) * TWO_POW_32 + this.nextUint32();
      if (value < fair) {
        return value % bound;
      }
    }
  }

  /** Uniform integer from min to max, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /**
   * True in `numerator` of `denominator` cases. The certain outcomes draw nothing, so a fault class
   * that is off costs nothing.
   */
  chance(numerator: number, denominator: number): boolean {
    if (numerator <= 0) {
      return false;
    }
    return numerator >= denominator || this.below(denominator) < numerator;
  }

  /** One of the values, each as likely as the others. */
  pick<T>(values: readonly T[]): T {
    assert(values.length > 0, 'there is a value to pick');
    return values[this.below(values.length)] as T;
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T>(values: T[]): T[] {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = values[i] as T;
      values[i] = values[j] as T;
      values[j] = swapped;
    }
    return values;
  }
}
