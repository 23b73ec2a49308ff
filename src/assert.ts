// assert.ts: broken invariants end the process.
//
// Assertions stay on in production: an invariant that no longer holds means that the next step
// could acknowledge something untrue, and a stopped member is always safer than a lying one.

/** Thrown when an invariant is broken. Never caught and continued: the host ends the process. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`);
    this.name = 'InvariantError';
  }
}

/**
 * Asserts an invariant.
 *
 * @param condition what must hold.
 * @param message the invariant in words, as it should have been.
 * @throws InvariantError when it does not hold.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new InvariantError(message);
  }
}

/** Makes a `switch` over a union exhaustive: the compiler rejects a case that was forgotten. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected variant ${String(value)}`);
}
