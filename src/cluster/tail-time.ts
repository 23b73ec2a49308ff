// tail-time.ts: the timestamp of the last event of a log.
//
// A new leader stamps its first event, and log time must not go back, also against events that are
// in its log but not yet committed. A member that has applied its log knows where a frame starts
// near its end, and reads from there. Every term buffer's worth of the log starts at a frame: when
// no event lies behind the other, the last one of them is read, and then the one before.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { readInt64 } from '../protocol/encoding.js';
import { MESSAGE_HEADER_LENGTH, messageTemplateId } from '../protocol/message-header.js';
import { type FragmentHandler, LogPoller, type RecordedLog } from './log-poller.js';

const FLAG_BEGIN = 0x80;
const FRAGMENT_LIMIT = 8_192;

/** Offset of the timestamp in the blocks of the events that have one. */
const TIMESTAMP_OFFSETS: ReadonlyMap<number, number> = new Map([
  [TemplateId.SessionMessageHeader, 16],
  [TemplateId.RequestHeader, 16],
  [TemplateId.TimerEvent, 16],
  [TemplateId.ServiceTimerEvent, 16],
  [TemplateId.ServiceMessageHeader, 8],
  [TemplateId.SessionOpenEvent, 24],
  [TemplateId.SessionCloseEvent, 16],
  [TemplateId.ClusterActionRequest, 16],
  [TemplateId.NewLeadershipTermEvent, 16],
]);
const TIMESTAMP_LENGTH = 8;

/** Timestamp of the event that starts at a frame; -1 when it has none. */
export function eventTimestamp(view: DataView, offset: number, length: number): number {
  const timestampOffset = TIMESTAMP_OFFSETS.get(messageTemplateId(view, offset, length));
  if (timestampOffset === undefined) {
    return -1;
  }
  // Events differ in length: the shortest, a closed session, ends right behind its timestamp.
  const start = MESSAGE_HEADER_LENGTH + timestampOffset;
  return length < start + TIMESTAMP_LENGTH ? -1 : readInt64(view, offset + start);
}

/** A position where a frame starts, and the log time there. */
export interface TimeFloor {
  readonly position: Position;
  readonly timestampMs: number;
}

const LOG_BEGINNING: TimeFloor = { position: 0, timestampMs: 0 };

/** Looks for the last timestamp below a position; polled, because it reads the archive. */
export class TailTime {
  readonly #arena: Arena;
  readonly #makeReader: () => RecordedLog;
  readonly #termLength: number;
  readonly #end: Position;
  readonly #floor: TimeFloor;
  #start: Position;
  #poller: LogPoller;
  #lastMs = -1;

  /**
   * @param floor what is known already: nothing is read before it.
   * @param frame where a frame starts, below the end and not far from it; 0 when that is not known.
   */
  constructor(
    arena: Arena,
    makeReader: () => RecordedLog,
    termLength: number,
    end: Position,
    floor: TimeFloor = LOG_BEGINNING,
    frame: Position = 0,
  ) {
    this.#arena = arena;
    this.#makeReader = makeReader;
    this.#termLength = termLength;
    this.#end = end;
    this.#floor = floor;
    assert(frame <= end, 'the time of a log is looked for below its end');
    this.#start = Math.max(floor.position, frame, (Math.ceil(end / termLength) - 1) * termLength);
    this.#poller = this.#makePoller();
  }

  /**
   * The timestamp in milliseconds, 0 for a log without events; undefined while it is looked for.
   */
  poll(): number | undefined {
    this.#poller.poll(this.#onFragment, this.#end, FRAGMENT_LIMIT);
    if (this.#poller.position < this.#end) {
      return undefined;
    }
    if (this.#lastMs >= 0 || this.#start === this.#floor.position) {
      this.close();
      return Math.max(this.#floor.timestampMs, this.#lastMs);
    }
    this.#poller.close();
    this.#start = Math.max(this.#floor.position, this.#previousTerm());
    this.#poller = this.#makePoller();
    return undefined;
  }

  close(): void {
    this.#poller.close();
  }

  /** Start of the term before the one that was read. */
  #previousTerm(): Position {
    return (Math.ceil(this.#start / this.#termLength) - 1) * this.#termLength;
  }

  #makePoller(): LogPoller {
    return new LogPoller(this.#arena, this.#makeReader(), this.#termLength, this.#start);
  }

  readonly #onFragment: FragmentHandler = (view, offset, length, flags) => {
    if ((flags & FLAG_BEGIN) !== 0) {
      this.#lastMs = Math.max(this.#lastMs, eventTimestamp(view, offset, length));
    }
  };
}
