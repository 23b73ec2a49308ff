// virtual-entropy.ts: the randomness port of a simulated process.

import type { Entropy } from '../ports/entropy.js';
import type { Prng } from './prng.js';

/** Random bits from a named stream of the run's seed. */
export class VirtualEntropy implements Entropy {
  readonly #random: Prng;

  constructor(random: Prng) {
    this.#random = random;
  }

  nextUint32(): number {
    return this.#random.nextUint32();
  }
}
