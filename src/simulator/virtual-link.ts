// virtual-link.ts: what happens to datagrams from one node to another, in that direction.

import { type Delay, drawDelay, NO_DELAY } from './delay.js';
import type { Prng } from './prng.js';

const MILLION = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;

/** Faults and timing of one direction. Chances are in millionths; 0 switches a fault off. */
export interface LinkOptions {
  readonly delay: Delay;
  readonly lossPerMillion: number;
  /** Burst loss (Gilbert and Elliott): a state that is entered, left, and loses far more. */
  readonly burstEnterPerMillion: number;
  readonly burstLeavePerMillion: number;
  readonly burstLossPerMillion: number;
  readonly duplicatePerMillion: number;
  /** How much later than the original a duplicate arrives. */
  readonly duplicateDelay: Delay;
  /** A datagram chosen for reordering takes this much longer, and later ones may pass it. */
  readonly reorderPerMillion: number;
  readonly reorderDelay: Delay;
  /** Without it, datagrams arrive in the order of sending, those chosen for reordering excepted. */
  readonly isUnordered: boolean;
  readonly corruptPerMillion: number;
  /** Longer datagrams vanish on the way, as with fragments that a path does not carry. */
  readonly datagramLengthMax: number;
  /** 0 is unlimited. */
  readonly bandwidthBytesPerSecond: number;
  /** Bytes that wait for a limited bandwidth before more are dropped. */
  readonly queueLengthMax: number;
}

/** The longest UDP payload over IPv4. */
export const UDP_PAYLOAD_LENGTH_MAX = 65_507;

/** Instant, and without faults. */
export const PERFECT_LINK: LinkOptions = {
  delay: NO_DELAY,
  lossPerMillion: 0,
  burstEnterPerMillion: 0,
  burstLeavePerMillion: MILLION,
  burstLossPerMillion: 0,
  duplicatePerMillion: 0,
  duplicateDelay: NO_DELAY,
  reorderPerMillion: 0,
  reorderDelay: NO_DELAY,
  isUnordered: false,
  corruptPerMillion: 0,
  datagramLengthMax: UDP_PAYLOAD_LENGTH_MAX,
  bandwidthBytesPerSecond: 0,
  queueLengthMax: 4 * 1024 * 1024,
};

/** What became of the datagrams of a world. */
export interface NetworkCounts {
  sent: number;
  delivered: number;
  blocked: number;
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  tooLong: number;
  queueDropped: number;
  /** Nobody listened at the address, or only to another peer. */
  unreachable: number;
  /** The receiver's inbox was full. */
  inboxDropped: number;
  /** A filter of a test took it. */
  filtered: number;
}

export function newNetworkCounts(): NetworkCounts {
  return {
    sent: 0,
    delivered: 0,
    blocked: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    tooLong: 0,
    queueDropped: 0,
    unreachable: 0,
    inboxDropped: 0,
    filtered: 0,
  };
}

/** One direction between two nodes. */
export class VirtualLink {
  options: LinkOptions;
  /** It is blocked until somebody unblocks it. */
  isDown = false;
  /** It is blocked until all of these are lifted. */
  readonly cuts = new Set<object>();
  readonly #random: Prng;
  readonly #counts: NetworkCounts;
  #isInBurst = false;
  #lastArrivalNs = 0;
  #freeAtNs = 0;

  constructor(options: LinkOptions, random: Prng, counts: NetworkCounts) {
    this.options = options;
    this.#random = random;
    this.#counts = counts;
  }

  /** Nothing arrives while it is blocked, whatever was on the way included. */
  get isBlocked(): boolean {
    return this.isDown || this.cuts.size > 0;
  }

  /** Decides whether a datagram is lost before it travels, and counts why. */
  loses(lengthBytes: number, nowNs: number): boolean {
    const { options } = this;
    if (this.isBlocked) {
      this.#counts.blocked++;
      return true;
    }
    if (lengthBytes > options.datagramLengthMax) {
      this.#counts.tooLong++;
      return true;
    }
    if (this.#isLost(options)) {
      this.#counts.lost++;
      return true;
    }
    return this.#overflows(lengthBytes, nowNs);
  }

  /** When a datagram that is not lost arrives. Call `loses` first. */
  arrivalNs(nowNs: number): number {
    const { options } = this;
    const departureNs = Math.max(this.#freeAtNs, nowNs);
    const arrivalNs = departureNs + drawDelay(options.delay, this.#random);
    if (this.#random.chance(options.reorderPerMillion, MILLION)) {
      this.#counts.reordered++;
      return arrivalNs + drawDelay(options.reorderDelay, this.#random);
    }
    if (options.isUnordered) {
      return arrivalNs;
    }
    if (arrivalNs > this.#lastArrivalNs) {
      this.#lastArrivalNs = arrivalNs;
    }
    return this.#lastArrivalNs;
  }

  duplicates(): boolean {
    if (!this.#random.chance(this.options.duplicatePerMillion, MILLION)) {
      return false;
    }
    this.#counts.duplicated++;
    return true;
  }

  /** When a duplicate of a datagram that arrives then arrives. */
  duplicateArrivalNs(arrivalNs: number): number {
    return arrivalNs + drawDelay(this.options.duplicateDelay, this.#random);
  }

  /** Perhaps damages bytes in place; returns how many of them are left. */
  corrupt(buffer: Uint8Array, offset: number, length: number): number {
    const random = this.#random;
    if (length === 0 || !random.chance(this.options.corruptPerMillion, MILLION)) {
      return length;
    }
    this.#counts.corrupted++;
    const at = offset + random.below(length);
    switch (random.below(8)) {
      case 0:
        return random.below(length);
      case 1:
        for (let i = at; i < offset + length; i++) {
          buffer[i] = random.below(256);
        }
        return length;
      case 2:
      case 3:
        buffer[at] = (buffer[at] as number) ^ (1 + random.below(255));
        return length;
      default:
        buffer[at] = (buffer[at] as number) ^ (1 << random.below(8));
        return length;
    }
  }

  #isLost(options: LinkOptions): boolean {
    if (this.#isInBurst) {
      this.#isInBurst = !this.#random.chance(options.burstLeavePerMillion, MILLION);
    } else {
      this.#isInBurst = this.#random.chance(options.burstEnterPerMillion, MILLION);
    }
    const perMillion = this.#isInBurst ? options.burstLossPerMillion : options.lossPerMillion;
    return this.#random.chance(perMillion, MILLION);
  }

  /** Occupies a limited bandwidth; true when too much waits for it already. */
  #overflows(lengthBytes: number, nowNs: number): boolean {
    const { bandwidthBytesPerSecond, queueLengthMax } = this.options;
    if (bandwidthBytesPerSecond === 0) {
      this.#freeAtNs = 0;
      return false;
    }
    const startNs = Math.max(nowNs, this.#freeAtNs);
    const waitingBytes = Math.floor(((startNs - nowNs) * bandwidthBytesPerSecond) / NS_PER_SECOND);
    if (waitingBytes + lengthBytes > queueLengthMax) {
      this.#counts.queueDropped++;
      return true;
    }
    this.#freeAtNs = startNs + Math.ceil((lengthBytes * NS_PER_SECOND) / bandwidthBytesPerSecond);
    return false;
  }
}
