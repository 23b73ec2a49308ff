// random.ts: the seeded chance of a test run, printed so that the run can be had again.

import { SeededEntropy } from '../support/seeded-entropy.js';

const SEED_LIMIT = 2 ** 31;

/** PAWL_SEED, or a seed that no other run has had. */
export function runSeed(): number {
  const given = Number.parseInt(process.env.PAWL_SEED ?? '', 10);
  return Number.isSafeInteger(given) ? given : Math.floor(Math.random() * SEED_LIMIT);
}

/** Draws by a seed. */
export class SeededRandom {
  readonly #entropy: SeededEntropy;

  constructor(seed: number) {
    this.#entropy = new SeededEntropy(seed);
    // The first numbers of seeds that are close to each other are alike.
    for (let index = 0; index < 16; index++) {
      this.#entropy.nextUint32();
    }
  }

  /** An integer in [from, to). */
  between(from: number, to: number): number {
    return from + this.#entropy.below(Math.max(1, to - from));
  }

  chance(percent: number): boolean {
    return this.between(0, 100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length)];
    if (item === undefined) {
      throw new Error('nothing to pick from');
    }
    return item;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items];
    const result: T[] = [];
    while (rest.length > 0) {
      result.push(...rest.splice(this.between(0, rest.length), 1));
    }
    return result;
  }

  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) {
      bytes[index] = this.#entropy.nextUint32() >>> 11;
    }
  }
}
