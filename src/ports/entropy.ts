// entropy.ts: the randomness port.

/**
 * Source of random bits: the operating system's in production, a seeded stream in the simulator.
 */
export interface Entropy {
  /** Uniform unsigned 32-bit integer. */
  nextUint32(): number;
}
