// output-history.ts: what a service had put out by each position of the log, as one number.
//
// The container writes it while it consumes the log, the consensus module compares it with that of
// other members. Since a hash covers all output before it, one that differs stays different: the
// first difference is found by halving, as long as both sides remember. They remember each event
// that put something out for a while, and multiples of CHECKPOINT_LENGTH for longer.

import { OUTPUT_AREA_LENGTH } from '../../assembly/layout/output-hash.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';

/** Events with output that are remembered, at most. */
export const HISTORY_COUNT_MAX = 32_768;
/** From one checkpoint of the log to the next, bytes. The same on all members. */
export const CHECKPOINT_LENGTH = 64 * 1024;
/** Checkpoints that are remembered, at most: of 256 MiB of log. */
export const CHECKPOINT_COUNT_MAX = 4_096;
const HISTORY_COUNT_INITIAL = 256;

/** 64 bits in two unsigned halves. */
export interface Hash64 {
  readonly low: number;
  readonly high: number;
}

/** Where a container keeps what its service has put out. */
export interface OutputSink {
  readonly arena: Arena;
  /** OUTPUT_AREA_LENGTH bytes of the arena, laid out as layout/output-hash.ts says. */
  readonly area: number;
  /** False when the service started from a snapshot that does not tell what was put out before. */
  readonly isKnown: boolean;
  /** What had been put out when the service started at a position. */
  begin(position: Position, hash: Hash64): void;
  /** An event that ends at a position has put something out; the hash covers it. */
  record(position: Position, low: number, high: number): void;
}

/** Hashes by position, from a start on; each holds until the next. */
class HashRing {
  readonly #countMax: number;
  #positions = new Float64Array(HISTORY_COUNT_INITIAL);
  #halves = new Uint32Array(2 * HISTORY_COUNT_INITIAL);
  #count = 0;
  // Where the next one goes, from 0 to the capacity: kept, so that no event costs a division of a
  // count that outgrows 32 bits.
  #next = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  clear(): void {
    this.#count = 0;
    this.#next = 0;
  }

  add(position: Position, low: number, high: number): void {
    if (this.#next === this.#positions.length) {
      this.#wrap();
    }
    const index = this.#next;
    this.#positions[index] = position;
    this.#halves[2 * index] = low;
    this.#halves[2 * index + 1] = high;
    this.#next = index + 1;
    this.#count++;
  }

  /** The last hash at or before a position; undefined when it is forgotten, or never was. */
  find(position: Position): (Hash64 & { readonly position: Position }) | undefined {
    const capacity = this.#positions.length;
    let low = Math.max(0, this.#count - capacity);
    let high = this.#count;
    const oldest = low;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#positions[middle % capacity] as number) <= position) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low === oldest) {
      return undefined;
    }
    const index = (low - 1) % capacity;
    return {
      position: this.#positions[index] as number,
      low: this.#halves[2 * index] as number,
      high: this.#halves[2 * index + 1] as number,
    };
  }

  /** Grows while that is allowed, and begins to overwrite the oldest then. */
  #wrap(): void {
    if (this.#positions.length < this.#countMax) {
      this.#grow(this.#positions.length * 2);
    } else {
      this.#next = 0;
    }
  }

  #grow(capacity: number): void {
    const positions = new Float64Array(Math.min(capacity, this.#countMax));
    const halves = new Uint32Array(2 * positions.length);
    positions.set(this.#positions);
    halves.set(this.#halves);
    this.#positions = positions;
    this.#halves = halves;
  }
}

/** The output of one service by log position. */
export class OutputHistory implements OutputSink {
  readonly arena: Arena;
  /** OUTPUT_AREA_LENGTH bytes of the arena, laid out as layout/output-hash.ts says. */
  readonly area: number;
  readonly #events = new HashRing(HISTORY_COUNT_MAX);
  readonly #checkpoints = new HashRing(CHECKPOINT_COUNT_MAX);
  #isKnown = false;
  #lastPosition: Position = 0;
  #low = 0;
  #high = 0;
  // The first multiple of CHECKPOINT_LENGTH that no event has passed yet.
  #nextCheckpoint: Position = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.area = arena.allocate(OUTPUT_AREA_LENGTH);
  }

  close(): void {
    this.arena.release(this.area, OUTPUT_AREA_LENGTH);
  }

  /** False when the service started from a snapshot that does not tell what was put out before. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** What had been put out when the service started at a position. */
  begin(position: Position, hash: Hash64): void {
    this.#events.clear();
    this.#checkpoints.clear();
    this.#isKnown = true;
    this.#nextCheckpoint = Math.ceil(position / CHECKPOINT_LENGTH) * CHECKPOINT_LENGTH;
    this.#keep(position, hash.low, hash.high);
  }

  /** An event that ends at a position has put something out; the hash covers it. */
  record(position: Position, low: number, high: number): void {
    if (this.#isKnown) {
      if (position > this.#nextCheckpoint) {
        this.#passCheckpoints(position);
      }
      this.#keep(position, low, high);
    }
  }

  /**
   * What had been put out by all events that end at or before a position.
   *
   * @param consumed end of what the service has consumed.
   * @returns undefined when the service has not come so far, or it is not remembered.
   */
  at(position: Position, consumed: Position): Hash64 | undefined {
    if (!this.#isKnown || position > consumed) {
      return undefined;
    }
    if (position >= this.#lastPosition) {
      return { low: this.#low, high: this.#high };
    }
    const event = this.#events.find(position);
    if (event !== undefined || position % CHECKPOINT_LENGTH !== 0) {
      return event;
    }
    const checkpoint = this.#checkpoints.find(position);
    return checkpoint?.position === position ? checkpoint : undefined;
  }

  #keep(position: Position, low: number, high: number): void {
    this.#events.add(position, low, high);
    this.#lastPosition = position;
    this.#low = low;
    this.#high = high;
  }

  /** Keeps the hash of before at the multiples that lie before the next event. */
  #passCheckpoints(position: Position): void {
    const first = this.#nextCheckpoint / CHECKPOINT_LENGTH;
    const end = Math.ceil(position / CHECKPOINT_LENGTH);
    for (let number = Math.max(first, end - CHECKPOINT_COUNT_MAX); number < end; number++) {
      this.#checkpoints.add(number * CHECKPOINT_LENGTH, this.#low, this.#high);
    }
    this.#nextCheckpoint = end * CHECKPOINT_LENGTH;
  }
}
