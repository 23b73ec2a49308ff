// frame-chain.ts: a log as the hashes of its frames, each chained to all before it.
//
// Two logs are equal up to a position if their chains have the same hash there: one number.

import { assert } from '../../assert.js';
import { finishHash, mixWord } from './frame-hash.js';

/** Frames from position 0 on, without a gap. */
export class FrameChain {
  /** End position of each frame. Invariant: ascending. */
  readonly ends: number[] = [];
  /** Hash of each frame alone. */
  readonly frames: number[] = [];
  /** Hash of each frame and all before it. */
  readonly chained: number[] = [];
  readonly isPadding: boolean[] = [];

  get count(): number {
    return this.ends.length;
  }

  /** End of the last frame. */
  get end(): number {
    return this.ends[this.ends.length - 1] ?? 0;
  }

  push(end: number, frame: number, isPadding: boolean): void {
    assert(end > this.end, 'a chain goes on at its end');
    const before = this.chained[this.chained.length - 1] ?? 0;
    this.ends.push(end);
    this.frames.push(frame);
    this.chained.push(finishHash(mixWord(before, frame)));
    this.isPadding.push(isPadding);
  }

  /** Becomes what another chain is up to a position where a frame ends. */
  copyFrom(other: FrameChain, position: number): void {
    this.cut(0);
    const count = other.indexOf(position) + 1;
    for (let index = 0; index < count; index++) {
      this.ends.push(other.ends[index] as number);
      this.frames.push(other.frames[index] as number);
      this.chained.push(other.chained[index] as number);
      this.isPadding.push(other.isPadding[index] as boolean);
    }
  }

  /** Drops the frames that end beyond a position. */
  cut(position: number): void {
    while (this.end > position) {
      this.ends.pop();
      this.frames.pop();
      this.chained.pop();
      this.isPadding.pop();
    }
  }

  /** Number of the frame that ends at a position, or -1. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.ends.length - 1;
    if (this.ends[high] === position) {
      return high;
    }
    while (low <= high) {
      const middle = (low + high) >> 1;
      const end = this.ends[middle] as number;
      if (end === position) {
        return middle;
      }
      if (end < position) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return -1;
  }

  /** Chained hash of everything up to a position; undefined when no frame ends there. */
  hashAt(position: number): number | undefined {
    return position === 0 ? 0 : this.chained[this.indexOf(position)];
  }

  /** Greatest position up to which two chains are equal. */
  commonEnd(other: FrameChain): number {
    let low = 0;
    let high = Math.min(this.count, other.count);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const isEqual =
        this.chained[middle - 1] === other.chained[middle - 1] &&
        this.ends[middle - 1] === other.ends[middle - 1];
      if (isEqual) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low === 0 ? 0 : (this.ends[low - 1] as number);
  }
}
