// virtual-clock.ts: time as one node sees it.
//
// A node has one oscillator that may run fast or slow against the world's time, and a wall clock
// that may be off and may jump. A process sees nanoseconds since it started, on that oscillator.
// Rates are fractions of integers: the arithmetic is exact, so a wake-up asked for by a deadline
// comes at the first instant at which the local clock has reached it.

import { assert } from '../assert.js';
import type { Clock } from '../ports/clock.js';

/** Rates are fractions of integers below this, so that remainders multiply exactly. */
export const CLOCK_RATE_TERM_MAX = 2 ** 26;
/** Wall clock of every node at the start of a world: 2025-01-01T00:00:00Z. */
export const WALL_START_MS = 1_735_689_600_000;

const NS_PER_MS = 1_000_000;

/** The time base of a world. */
export interface TimeSource {
  /** Nanoseconds since the world began. */
  readonly nowNs: number;
}

/** The oscillator and the wall clock of one node. They survive its processes. */
export class VirtualOscillator {
  readonly #world: TimeSource;
  #numerator = 1;
  #denominator = 1;
  /** World time and local time at the last change of rate. */
  #anchorWorldNs = 0;
  #anchorLocalNs = 0;
  #wallOffsetMs = 0;

  constructor(world: TimeSource) {
    this.#world = world;
  }

  /** Local nanoseconds per world nanosecond, from now on. Local time goes on without a step. */
  setRate(numerator: number, denominator: number): void {
    for (const term of [numerator, denominator]) {
      assert(
        Number.isSafeInteger(term) && term >= 1 && term <= CLOCK_RATE_TERM_MAX,
        `a clock rate term, ${term}, is an integer from 1 to 2^26`,
      );
    }
    this.#anchorLocalNs = this.localNs();
    this.#anchorWorldNs = this.#world.nowNs;
    this.#numerator = numerator;
    this.#denominator = denominator;
  }

  /** Moves the wall clock; the monotonic clock does not notice. */
  jumpWall(deltaMs: number): void {
    this.#wallOffsetMs += deltaMs;
  }

  /** Milliseconds by which the wall clock differs from the node's undisturbed one. */
  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }

  set wallOffsetMs(offsetMs: number) {
    this.#wallOffsetMs = offsetMs;
  }

  /** Nanoseconds of this oscillator since the world began. */
  localNs(): number {
    const elapsed = this.#world.nowNs - this.#anchorWorldNs;
    if (this.#numerator === this.#denominator) {
      return this.#anchorLocalNs + elapsed;
    }
    const rest = elapsed % this.#denominator;
    const whole = (elapsed - rest) / this.#denominator;
    return (
      this.#anchorLocalNs +
      whole * this.#numerator +
      Math.floor((rest * this.#numerator) / this.#denominator)
    );
  }

  /** First world time at which `localNs()` is at least this, at the present rate. */
  worldNsAt(localNs: number): number {
    const wanted = localNs - this.#anchorLocalNs;
    if (wanted <= 0) {
      return this.#anchorWorldNs;
    }
    if (this.#numerator === this.#denominator) {
      return this.#anchorWorldNs + wanted;
    }
    const rest = wanted % this.#numerator;
    const whole = (wanted - rest) / this.#numerator;
    return (
      this.#anchorWorldNs +
      whole * this.#denominator +
      Math.ceil((rest * this.#denominator) / this.#numerator)
    );
  }

  wallMs(): number {
    return WALL_START_MS + Math.floor(this.localNs() / NS_PER_MS) + this.#wallOffsetMs;
  }
}

/** The clock port of one process. */
export class VirtualClock implements Clock {
  readonly #oscillator: VirtualOscillator;
  readonly #startLocalNs: number;

  constructor(oscillator: VirtualOscillator) {
    this.#oscillator = oscillator;
    this.#startLocalNs = oscillator.localNs();
  }

  nowNs(): number {
    return this.#oscillator.localNs() - this.#startLocalNs;
  }

  wallMs(): number {
    return this.#oscillator.wallMs();
  }

  /** First world time at which `nowNs()` is at least this; Infinity for no deadline. */
  worldNsAt(processNs: number): number {
    if (!(processNs < Number.MAX_SAFE_INTEGER)) {
      return Number.POSITIVE_INFINITY;
    }
    return this.#oscillator.worldNsAt(this.#startLocalNs + Math.ceil(processNs));
  }
}
