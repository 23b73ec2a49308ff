// log-poller.ts: reads the log for one consumer, in place where that is possible.
//
// The bytes of the log are in one of two places: the term buffers of the log that is live (the
// leader's publication or a follower's image), or the segments of the archive. A consumer that
// keeps up reads shared memory; one that fell behind, or has just recovered, reads its own archive,
// and so never holds the log's window open.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import {
  MESSAGE_BODY_LENGTH_OFFSET,
  MESSAGE_BODY_OFFSET,
  MESSAGE_CLUSTER_SESSION_OFFSET,
  MESSAGE_ENTRY_LENGTH,
  MESSAGE_POSITION_OFFSET,
  MESSAGE_TIMESTAMP_OFFSET,
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
   * @returns bytes available at `address` for `position` on; 0 while a read is under way; -1 while
   *   they are damaged, until they are repaired.
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

/** Receives the log with its messages decoded. */
export interface MessageConsumer {
  /**
   * A whole message of a session.
   *
   * @param view the arena's view; bytes are valid during the call.
   * @param offset of the body. @param length of the body, bytes.
   * @param timestamp milliseconds of cluster time. @param position of the log after this frame.
   */
  onSessionMessage(
    view: DataView,
    offset: number,
    length: number,
    clusterSessionId: number,
    timestamp: number,
    position: Position,
  ): void;
  /** Every other fragment. */
  readonly onFragment: FragmentHandler;
}

/** What a service reads the log from. */
export interface LogReader {
  readonly position: Position;
  setLive(live: LiveLog | undefined): void;
  pollMessages(consumer: MessageConsumer, limit: Position, fragmentLimit: number): number;
  close(): void;
}

/** The initial term id of a cluster's log, for the life of the cluster. */
const LOG_INITIAL_TERM_ID = 0;
const MESSAGE_AREA_LENGTH = SCAN_FRAME_LIMIT * MESSAGE_ENTRY_LENGTH;

/** Position of one consumer in the log. Invariant: never falls. */
export class LogPoller implements LogReader {
  readonly #arena: Arena;
  readonly #recorded: RecordedLog;
  readonly #termLength: number;
  readonly #scanArea: number;
  readonly #messageArea: number;
  #live: LiveLog | undefined;
  #position: Position;
  // Where the consumer is when it has handled what the scan area indexes.
  #scannedEnd: Position = 0;

  constructor(arena: Arena, recorded: RecordedLog, termLength: number, position: Position) {
    this.#arena = arena;
    this.#recorded = recorded;
    this.#termLength = termLength;
    this.#position = position;
    this.#scanArea = arena.allocate(scanAreaLength(SCAN_FRAME_LIMIT));
    this.#messageArea = arena.allocate(MESSAGE_AREA_LENGTH);
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
    this.#arena.release(this.#messageArea, MESSAGE_AREA_LENGTH);
  }

  /**
   * Delivers fragments in [position, limit), at most fragmentLimit of them.
   *
   * @returns how many. 0 may also mean that a read of the archive is under way.
   */
  poll(handler: FragmentHandler, limit: Position, fragmentLimit: number): number {
    let total = 0;
    let before: Position;
    do {
      before = this.#position;
      const count = this.#scan(limit, fragmentLimit - total);
      this.#deliver(handler, count);
      total += count;
    } while (this.#position !== before);
    return total;
  }

  /** As `poll`; what the log mostly consists of arrives decoded. */
  pollMessages(consumer: MessageConsumer, limit: Position, fragmentLimit: number): number {
    let total = 0;
    let before: Position;
    do {
      before = this.#position;
      const count = this.#scan(limit, fragmentLimit - total);
      this.#deliverMessages(consumer, count);
      total += count;
    } while (this.#position !== before);
    return total;
  }

  /**
   * As `poll` for events: whole messages of sessions are passed over, parts of long ones are not.
   *
   * @returns fragments passed over or delivered.
   */
  pollEvents(handler: FragmentHandler, limit: Position, fragmentLimit: number): number {
    let total = 0;
    let before: Position;
    do {
      before = this.#position;
      const count = this.#scan(limit, fragmentLimit - total);
      this.#deliver(handler, this.#arena.core.selectEvents(this.#scanArea, count));
      total += count;
    } while (this.#position !== before);
    return total;
  }

  /** Indexes frames of the log at the position. Returns how many; moves over what is none. */
  #scan(limit: Position, fragmentLimit: number): number {
    if (fragmentLimit <= 0 || this.#position >= limit) {
      return this.#indexedNothing();
    }
    const live = this.#live;
    const { core, f64 } = this.#arena;
    const area = this.#scanArea;
    const frameLimit = Math.min(fragmentLimit, SCAN_FRAME_LIMIT);
    if (live !== undefined && this.#position >= live.oldestPosition()) {
      const count = core.scan(live.meta, this.#position, limit, frameLimit, area);
      this.#scannedEnd = f64[(area + SCAN_END_OFFSET) >> 3] as number;
      return count;
    }
    const available = this.#recorded.read(this.#position, limit);
    if (available <= 0) {
      return this.#indexedNothing();
    }
    hit(Mark.PollerReadsArchive);
    const count = core.scanBytes(this.#recorded.address, available, frameLimit, area);
    this.#scannedEnd = this.#position + (f64[(area + SCAN_END_OFFSET) >> 3] as number);
    return count;
  }

  #indexedNothing(): number {
    this.#scannedEnd = this.#position;
    return 0;
  }

  #deliver(handler: FragmentHandler, count: number): void {
    const end = this.#scannedEnd;
    assert(end >= this.#position, 'a consumer of the log never moves back');
    let entry = (this.#scanArea + SCAN_HEADER_LENGTH) >> 2;
    for (let index = 0; index < count; index++, entry += SCAN_ENTRY_LENGTH >> 2) {
      const frame = this.#arena.i32[entry] as number;
      this.#position = this.#positionAfter(frame, this.#arena.i32[entry + 1] as number);
      this.#deliverFragment(handler, entry);
    }
    this.#position = end;
  }

  #deliverMessages(consumer: MessageConsumer, count: number): void {
    const end = this.#scannedEnd;
    assert(end >= this.#position, 'a consumer of the log never moves back');
    const { core, i32, f64, view } = this.#arena;
    const area = this.#scanArea;
    core.decodeMessages(area, count, this.#termLength, LOG_INITIAL_TERM_ID, this.#messageArea);
    let entry = this.#messageArea;
    for (let index = 0; index < count; index++, entry += MESSAGE_ENTRY_LENGTH) {
      const position = f64[(entry + MESSAGE_POSITION_OFFSET) >> 3] as number;
      const body = i32[(entry + MESSAGE_BODY_OFFSET) >> 2] as number;
      this.#position = position;
      if (body === 0) {
        this.#deliverFragment(
          consumer.onFragment,
          (area + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2,
        );
      } else {
        consumer.onSessionMessage(
          view,
          body,
          i32[(entry + MESSAGE_BODY_LENGTH_OFFSET) >> 2] as number,
          f64[(entry + MESSAGE_CLUSTER_SESSION_OFFSET) >> 3] as number,
          f64[(entry + MESSAGE_TIMESTAMP_OFFSET) >> 3] as number,
          position,
        );
      }
    }
    this.#position = end;
  }

  #deliverFragment(handler: FragmentHandler, entry: number): void {
    const { i32, view } = this.#arena;
    const frame = i32[entry] as number;
    const length = (i32[entry + 1] as number) - HEADER_LENGTH;
    const flags = view.getUint8(frame + FLAGS_OFFSET);
    handler(view, frame + HEADER_LENGTH, length, flags, this.#position);
  }

  #positionAfter(frame: number, length: number): Position {
    const { i32 } = this.#arena;
    const termOffset = i32[(frame + TERM_OFFSET_OFFSET) >> 2] as number;
    const termCount = (i32[(frame + TERM_ID_OFFSET) >> 2] as number) - LOG_INITIAL_TERM_ID;
    const aligned = (length + ALIGNMENT_MASK) & ~ALIGNMENT_MASK;
    return termCount * this.#termLength + termOffset + aligned;
  }
}
