// idle-pace.ts: how often a stream repeats what it has said.
//
// A heartbeat or a status message is repeated after an interval, because it may have been lost.
// While there is nothing new to say it is repeated ever more seldom: an idle stream costs little.

import { EARLY_SHARE, IDLE_INTERVAL_FACTOR_MAX } from './transport-config.js';

/** When something is said again. */
export class IdlePace {
  readonly #baseNs: number;
  #intervalNs: number;
  #lastNs = Number.NEGATIVE_INFINITY;

  /** @param baseNs from something new to its first repetition. */
  constructor(baseNs: number) {
    this.#baseNs = baseNs;
    this.#intervalNs = baseNs;
  }

  /** When it is due. */
  get dueNs(): number {
    return this.#lastNs + this.#intervalNs;
  }

  /** From when on it may leave, if a duty cycle runs anyway. */
  get readyNs(): number {
    return this.#lastNs + this.#intervalNs * (1 - EARLY_SHARE);
  }

  /** Something new was said. */
  onNews(nowNs: number): void {
    this.#lastNs = nowNs;
    this.#intervalNs = this.#baseNs;
  }

  /** The same was said again. */
  onRepeated(nowNs: number): void {
    this.#lastNs = nowNs;
    this.#intervalNs = Math.min(2 * this.#intervalNs, IDLE_INTERVAL_FACTOR_MAX * this.#baseNs);
  }

  /** Makes it due at once. */
  hasten(): void {
    this.#lastNs = Number.NEGATIVE_INFINITY;
    this.#intervalNs = this.#baseNs;
  }
}
