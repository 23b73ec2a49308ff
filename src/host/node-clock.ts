// node-clock.ts: time from the operating system.
//
// `process.hrtime()` and `performance.now()` cost the same (about 46 ns each); `hrtime.bigint()`
// costs half as much again, and its result would have to be converted. `performance.now()` starts
// at another instant in every thread, so the clock is built on `hrtime()` and on an origin that a
// thread hands to the threads it starts: all of them then read the same time.

import type { Clock } from '../ports/clock.js';

const NS_PER_SECOND = 1e9;

/** The instant that a clock calls 0. Plain data, so that it can be handed to a worker thread. */
export interface ClockOrigin {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** The instant "now" as an origin. */
export function readClockOrigin(): ClockOrigin {
  const [seconds, nanoseconds] = process.hrtime();
  return { seconds, nanoseconds };
}

/** The clocks of one process agree when they have one origin. */
export class NodeClock implements Clock {
  readonly origin: ClockOrigin;
  readonly #seconds: number;
  readonly #nanoseconds: number;

  /** @param origin the instant to call 0: another clock's origin, or by default now. */
  constructor(origin: ClockOrigin = readClockOrigin()) {
    this.origin = origin;
    this.#seconds = origin.seconds;
    this.#nanoseconds = origin.nanoseconds;
  }

  /** The seconds are subtracted first: a machine up for 104 days has counted 2^53 nanoseconds. */
  nowNs(): number {
    const time = process.hrtime();
    return (time[0] - this.#seconds) * NS_PER_SECOND + (time[1] - this.#nanoseconds);
  }

  wallMs(): number {
    return Date.now();
  }
}
