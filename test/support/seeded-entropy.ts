// seeded-entropy.ts: random bits that are the same in every run of a test.

import type { Entropy } from '../../src/ports/entropy.js';

/** A xorshift generator. */
export class SeededEntropy implements Entropy {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  nextUint32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** Uniform enough for tests: an integer in [0, limit). */
  below(limit: number): number {
    return this.nextUint32() % limit;
  }
}
