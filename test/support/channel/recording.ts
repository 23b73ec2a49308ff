// recording.ts: the log of a run as its archive has it.

import type { RecordedLog } from '../../../src/cluster/log-poller.js';
import type { Arena } from '../../../src/memory/arena.js';

/** Bytes of the recorded log that are given at a time. */
const CHUNK_LENGTH = 24 * 1024;
const RECORDING_LENGTH = 1024 * 1024;

/** All bytes of the log; reads are given in pieces, and not at once. */
export class Recording implements RecordedLog {
  readonly bytes = new Uint8Array(RECORDING_LENGTH);
  readonly address: number;
  readonly #arena: Arena;
  readonly #termLength: number;
  #isReading = false;
  isPending = false;

  constructor(arena: Arena, termLength: number) {
    this.#arena = arena;
    this.#termLength = termLength;
    this.address = arena.allocate(CHUNK_LENGTH);
  }

  /** Every other time the disk has not answered yet. */
  read(position: number, limit: number): number {
    this.#isReading = !this.#isReading;
    this.isPending = this.#isReading;
    if (this.#isReading) {
      return 0;
    }
    const inTerm = this.#termLength - (position % this.#termLength);
    const length = Math.min(limit - position, inTerm, CHUNK_LENGTH);
    // What was there before is of no use to anybody.
    this.#arena.u8.fill(0xee, this.address, this.address + CHUNK_LENGTH);
    this.#arena.u8.set(this.bytes.subarray(position, position + length), this.address);
    return this.#wholeFrames(length);
  }

  readonly close = (): void => undefined;

  #wholeFrames(length: number): number {
    const { i32, core } = this.#arena;
    const area = this.#arena.allocate(64);
    const isWhole = core.nextBlockBytes(this.address, length, length, area) > 0;
    const advance = i32[(area + 4) >> 2] as number;
    this.#arena.release(area, 64);
    return isWhole ? advance : 0;
  }
}
