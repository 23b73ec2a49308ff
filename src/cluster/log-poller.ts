// log-poller.ts: reads the log for one consumer, in place where that is possible.
//
// The bytes of the log are in one of two places: the term buffers of the log that is live (the
// leader's publication or a follower's image), or the segments of the archive. A consumer that
// keeps up reads shared memory; one that fell behind, or has just recovered, reads its own archive,
// and so never holds the log's window open.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import {
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../memory/core.js';
import type { Position } from '../position.js';

/** Frames that one scan indexes at most. */
export const SCAN_FRAME_LIMIT = 256;

const FLAGS_OFFSET = 5;
const TERM_OFFSET_OFFSET = 8;
const TERM_ID_OFFSET = 20;
const HEADER_LENGTH = 32;
const ALIGNMENT_MASK = 31;

/** The live log's term buffers, while this member leads or follows. */
export interface LiveLog {
  /** Metadata address of the log buffer. */
  readonly meta: number;
  /** Lowest position that the buffers still hold intact. */
  oldestPosition(): Position;
}

/** Reads recorded bytes, polled. A window of the archive lies in the arena at a time. */
export interface RecordedLog {
  /**
   * Whole, verified frames at a position.
   *
   * @returns bytes available at `address` for `position` on; 0 while a read is under way; -1 when
   *   the archive cannot give them: then the member ends.
   */
  read(position: Position, limit: Position): number;
  /** Arena address of the bytes of the last successful `read`. */
  readonly address: number;
  close(): void;
}

/**
 * Receives one fragment of the log.
 *
 * @param view the arena's view; bytes are valid during the call.
 * @param offset of the payload. @param length of the payload, bytes.
 * @param flags BEGIN 0x80 and END 0x40. @param position of the log after this frame.
 */
export type FragmentHandler = (
  view: DataView,
  offset: number,
  length: number,
  flags: number,
  position: Position,
) => void;

/** Position of one consumer in the log. Invariant: never falls. */
export class LogPoller {
  readonly #arena: Arena;
  readonly #recorded: RecordedLog;
  readonly #termLength: number;
  readonly #scanArea: number;
  #live: LiveLog | undefined;
  #position: Position;
  constructor(arena: Arena, recorded: RecordedLog, termLength: number, position: Position) {
    this.#arena = arena;
    this.#recorded = recorded;
    this.#termLength = termLength;
    this.#position = position;
    this.#scanArea = arena.allocate(scanAreaLength(SCAN_FRAME_LIMIT));
  }

  get position(): Position {
    return this.#position;
  }

  /** The live log changed: a term began, or ended (undefined). */
  setLive(live: LiveLog | undefined): void {
    this.#live = live;
  }

  close(): void {
    this.#recorded.close();
    this.#arena.release(this.#scanArea, scanAreaLength(SCAN_FRAME_LIMIT));
  }

  /**
   * Delivers fragments in [position, limit), at most fragmentLimit of them.
   *
   * @returns how many. 0 may also mean that a read of the archive is under way.
   */
  poll(handler: FragmentHandler, limit: Position, fragmentLimit: number): number {
    let total = 0;
    while (total < fragmentLimit && this.#position < limit) {
      const before = this.#position;
      total += this.#pollOnce(handler, limit, Math.min(fragmentLimit - total, SCAN_FRAME_LIMIT));
      if (this.#position === before) {
        break;
      }
    }
    return total;
  }

  #pollOnce(handler: FragmentHandler, limit: Position, frameLimit: number): number {
    const live = this.#live;
    const core = this.#arena.core;
    if (live !== undefined && this.#position >= live.oldestPosition()) {
      const count = core.scan(live.meta, this.#position, limit, frameLimit, this.#scanArea);
      const end = this.#arena.f64[(this.#scanArea + SCAN_END_OFFSET) >> 3] as number;
      this.#deliver(handler, count, end);
      return count;
    }
    const available = this.#recorded.read(this.#position, limit);
    if (available <= 0) {
      return 0;
    }
    const count = core.scanBytes(this.#recorded.address, available, frameLimit, this.#scanArea);
    const consumed = this.#arena.f64[(this.#scanArea + SCAN_END_OFFSET) >> 3] as number;
    this.#deliver(handler, count, this.#position + consumed);
    return count;
  }

  #deliver(handler: FragmentHandler, count: number, end: Position): void {
    assert(end >= this.#position, 'a consumer of the log never moves back');
    const { i32, view } = this.#arena;
    let entry = (this.#scanArea + SCAN_HEADER_LENGTH) >> 2;
    for (let index = 0; index < count; index++, entry += SCAN_ENTRY_LENGTH >> 2) {
      const frame = i32[entry] as number;
      const length = i32[entry + 1] as number;
      const termOffset = i32[(frame + TERM_OFFSET_OFFSET) >> 2] as number;
      const termId = i32[(frame + TERM_ID_OFFSET) >> 2] as number;
      const aligned = (length + ALIGNMENT_MASK) & ~ALIGNMENT_MASK;
      // The log's initial term id is 0 for the life of the cluster.
      this.#position = termId * this.#termLength + termOffset + aligned;
      handler(
        view,
        frame + HEADER_LENGTH,
        length - HEADER_LENGTH,
        view.getUint8(frame + FLAGS_OFFSET),
        this.#position,
      );
    }
    this.#position = end;
  }
}
