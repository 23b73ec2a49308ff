// node-entropy.ts: random bits from the operating system, fetched in batches because a call into
// the generator costs far more than the four bytes it is asked for.

import { randomFillSync } from 'node:crypto';
import type { Entropy } from '../ports/entropy.js';

/** Integers fetched at a time. */
const BATCH_COUNT = 256;

/** Cryptographically strong randomness. */
export class NodeEntropy implements Entropy {
  readonly #batch = new Uint32Array(BATCH_COUNT);
  #next = BATCH_COUNT;

  nextUint32(): number {
    if (this.#next === BATCH_COUNT) {
      randomFillSync(this.#batch);
      this.#next = 0;
    }
    const value = this.#batch[this.#next] as number;
    // A number that was handed out (a session id, an incarnation) is not left lying in memory.
    this.#batch[this.#next] = 0;
    this.#next += 1;
    return value;
  }
}
