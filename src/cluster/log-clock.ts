// log-clock.ts: the leader's clock, which stamps the log.
//
// Log time never goes back. Within a term it moves with the monotonic clock and is slewed towards
// the wall clock by at most one part in SLEW_DIVISOR, so that a jump of the wall clock is followed
// slowly and never shows in the order of events.

/** Nanoseconds in a millisecond. */
const NS_PER_MS = 1_000_000;
/** Log time runs at most 1/SLEW_DIVISOR faster or slower than the monotonic clock. */
const SLEW_DIVISOR = 20;

/** Cluster time in milliseconds since 1970, as the leader of one term stamps it. */
export class LogClock {
  readonly #skewMaxMs: number;
  // Invariant: never falls. Kept with its fraction, so that slewing does not lose what it rounds.
  #currentMs = 0;
  #currentNs = 0;
  // A wall clock that no quorum confirms is not crept up to either, until it comes near by itself.
  #isWallFollowed = true;
  /** Times that a term began with a wall clock too far from the log to be followed. */
  skewIgnoredCount = 0;

  constructor(skewMaxMs: number) {
    this.#skewMaxMs = skewMaxMs;
  }

  /**
   * Starts a term.
   *
   * @param lastLogMs timestamp of the last event of the log, 0 for an empty log.
   * @param quorumAgrees whether a quorum's clocks are within the limit of this member's.
   */
  startTerm(lastLogMs: number, nowNs: number, wallMs: number, quorumAgrees: boolean): void {
    const isFar = lastLogMs > 0 && Math.abs(wallMs - lastLogMs) > this.#skewMaxMs;
    const follow = !isFar || quorumAgrees;
    if (!follow) {
      this.skewIgnoredCount++;
    }
    this.#isWallFollowed = follow;
    this.#currentMs = follow ? Math.max(lastLogMs, wallMs) : lastLogMs;
    this.#currentNs = nowNs;
  }

  /**
   * Nanoseconds until log time is at least `timeMs`, if it is not slewed; it may be a little later.
   */
  nsUntil(timeMs: number): number {
    return Math.max(0, timeMs - this.#currentMs) * NS_PER_MS;
  }

  /** Log time now, in whole milliseconds. Never less than before. */
  timeMs(nowNs: number, wallMs: number): number {
    const elapsedMs = Math.max(0, nowNs - this.#currentNs) / NS_PER_MS;
    this.#currentNs = Math.max(this.#currentNs, nowNs);
    this.#isWallFollowed ||= Math.abs(wallMs - this.#currentMs) <= this.#skewMaxMs;
    if (!this.#isWallFollowed) {
      this.#currentMs += elapsedMs;
      return Math.floor(this.#currentMs);
    }
    const slewMs = elapsedMs / SLEW_DIVISOR;
    const earliestMs = this.#currentMs + elapsedMs - slewMs;
    const latestMs = this.#currentMs + elapsedMs + slewMs;
    this.#currentMs = Math.min(Math.max(wallMs, earliestMs), latestMs);
    return Math.floor(this.#currentMs);
  }
}
