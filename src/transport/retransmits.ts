// retransmits.ts: which NAKs are answered.
//
// A NAK costs its sender 28 bytes and us up to a window, so a forged or confused receiver must not
// set the pace: a range that was just sent again is not sent again until it had time to arrive, at
// most a fixed number of ranges linger at once, and a token bucket bounds the bytes per second.

import { hit, Mark } from '../marks.js';
import type { TransportConfig } from './transport-config.js';
import type { TransportCounters } from './transport-counters.js';

const SECOND_NS = 1_000_000_000;

/** Decides about NAKs of one stream towards one receiver. */
export class Retransmits {
  readonly #config: TransportConfig;
  readonly #counters: TransportCounters;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #expiries: Float64Array;
  /** Bytes that may be sent again. May fall below zero by one answer. */
  #tokens: number;
  #refilledNs = 0;

  constructor(config: TransportConfig, counters: TransportCounters) {
    this.#config = config;
    this.#counters = counters;
    this.#starts = new Float64Array(config.retransmitCountMax);
    this.#ends = new Float64Array(config.retransmitCountMax);
    this.#expiries = new Float64Array(config.retransmitCountMax);
    this.#tokens = config.retransmitBurstLength;
  }

  /** Whether [start, end) may be sent again now; if so it lingers from now on. */
  admit(nowNs: number, start: number, end: number): boolean {
    this.#refill(nowNs);
    let slot = -1;
    for (let index = 0; index < this.#starts.length; index++) {
      if (nowNs >= (this.#expiries[index] as number)) {
        slot = index;
      } else if (start < (this.#ends[index] as number) && (this.#starts[index] as number) < end) {
        hit(Mark.RetransmitLingers);
        this.#counters.naksLingering++;
        return false;
      }
    }
    if (slot < 0 || this.#tokens <= 0) {
      hit(Mark.RetransmitOverflow);
      this.#counters.retransmitOverflows++;
      return false;
    }
    this.#starts[slot] = start;
    this.#ends[slot] = end;
    this.#expiries[slot] = nowNs + this.#config.retransmitLingerNs;
    return true;
  }

  /** Takes the bytes of an answer out of the bucket. */
  spend(length: number): void {
    this.#tokens -= length;
    this.#counters.retransmits++;
    this.#counters.retransmittedBytes += length;
  }

  #refill(nowNs: number): void {
    const gained =
      ((nowNs - this.#refilledNs) / SECOND_NS) * this.#config.retransmitBytesPerSecondMax;
    if (gained >= 1) {
      this.#tokens = Math.min(this.#config.retransmitBurstLength, this.#tokens + gained);
      this.#refilledNs = nowNs;
    }
  }

  /** Forgets what lingers: the stream starts again elsewhere. */
  clear(): void {
    this.#expiries.fill(0);
  }
}
