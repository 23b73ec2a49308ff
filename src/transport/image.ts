// image.ts: the reading end of one stream.
//
// An image reads published frames in place. What a poll consumed moves its position; from that the
// writer learns how far it may go. The bytes behind the position stay readable for a while
// (oldestPosition), for those who read in place later.

import { DATA_HEADER_LENGTH } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { SCAN_END_OFFSET, SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH } from '../memory/core.js';
import type { SocketAddress } from '../ports/network.js';
import type { Position } from '../position.js';
import {
  Action,
  type ControlledFragmentHandler,
  type FragmentHandler,
  FragmentHeader,
} from './fragment-header.js';
import type { LogMemory } from './log-memory.js';
import { SCAN_FRAME_LIMIT, type TransportContext } from './transport-context.js';

/** One stream as a reader sees it. */
export abstract class Image {
  readonly sessionId: number;
  readonly streamId: number;
  readonly initialTermId: number;
  readonly termLength: number;
  readonly mtuLength: number;
  /** Position at which this reader joined the stream. */
  readonly joinPosition: Position;
  readonly arena: Arena;
  /** Address of the log buffer's metadata page, for core calls. */
  readonly meta: number;
  protected readonly context: TransportContext;
  protected readonly log: LogMemory;
  readonly #header = new FragmentHeader();
  #position: Position;
  /** Others that may still read the memory after the image is closed. */
  protected retainCount = 0;

  constructor(context: TransportContext, log: LogMemory, joinPosition: Position) {
    const { sessionId, streamId, initialTermId, termLength, mtuLength } = log.geometry;
    this.context = context;
    this.arena = context.arena;
    this.log = log;
    this.meta = log.meta;
    this.sessionId = sessionId;
    this.streamId = streamId;
    this.initialTermId = initialTermId;
    this.termLength = termLength;
    this.mtuLength = mtuLength;
    this.joinPosition = joinPosition;
    this.#position = joinPosition;
    this.#header.setStream(context.arena.view, initialTermId, termLength);
  }

  /** Where the stream comes from; undefined inside this process. */
  abstract get sourceAddress(): SocketAddress | undefined;
  /** Everything below is there to be read. */
  abstract get rebuildPosition(): Position;
  /** The stream was closed by its writer, and everything was consumed. */
  abstract get isEndOfStream(): boolean;
  abstract get isClosed(): boolean;
  /** Stops reading. Idempotent; memory stays readable until the next duty cycle. */
  abstract close(): void;
  /** The position moved: whoever waits for room may be told. */
  protected abstract onConsumed(): void;

  /** Everything below was consumed. Invariant: never falls, at most the rebuild position. */
  get position(): Position {
    return this.#position;
  }

  /** Keeps the memory after the image is closed, for whoever reads it in another thread. */
  retain(): void {
    assert(!this.isClosed, 'only an open image is retained');
    this.retainCount++;
  }

  /** Gives up one `retain`. */
  release(): void {
    assert(this.retainCount > 0, 'an image is released as often as it was retained');
    this.retainCount--;
    this.onConsumed();
  }

  /** Lowest position whose bytes are still intact. */
  oldestPosition(): Position {
    return this.log.oldestPosition;
  }

  /** Consumes up to a position, for owners that read through core calls. */
  advance(position: Position): void {
    if (this.isClosed) {
      return;
    }
    assert(position >= this.#position, 'consumption never moves back');
    assert(position <= this.rebuildPosition, 'only what was received can be consumed');
    if (position > this.#position) {
      this.#position = position;
      this.onConsumed();
    }
  }

  /** Delivers at most fragmentLimit fragments. Returns how many. */
  poll(handler: FragmentHandler, fragmentLimit: number): number {
    return this.boundedPoll(handler, Number.MAX_SAFE_INTEGER, fragmentLimit);
  }

  /** As `poll`, up to a position: what ends beyond it is not delivered. */
  boundedPoll(handler: FragmentHandler, limitPosition: Position, fragmentLimit: number): number {
    let total = 0;
    while (total < fragmentLimit && this.#hasNews(limitPosition)) {
      const wanted = Math.min(fragmentLimit - total, SCAN_FRAME_LIMIT);
      const count = this.#pollOnce(handler, limitPosition, wanted);
      total += count;
      if (count < wanted) {
        break;
      }
    }
    return total;
  }

  /** Delivers fragments to a handler that decides what is consumed. */
  controlledPoll(handler: ControlledFragmentHandler, fragmentLimit: number): number {
    return this.boundedControlledPoll(handler, Number.MAX_SAFE_INTEGER, fragmentLimit);
  }

  /** As `controlledPoll`, up to a position. */
  boundedControlledPoll(
    handler: ControlledFragmentHandler,
    limitPosition: Position,
    fragmentLimit: number,
  ): number {
    if (!this.#hasNews(limitPosition)) {
      return 0;
    }
    const area = this.context.beginPoll();
    const wanted = Math.min(fragmentLimit, SCAN_FRAME_LIMIT);
    const count = this.#scan(area, limitPosition, wanted);
    let entry = (area + SCAN_HEADER_LENGTH) >> 2;
    let end = this.#position;
    let delivered = 0;
    let isComplete = true;
    try {
      for (let index = 0; index < count; index++, entry += SCAN_ENTRY_LENGTH >> 2) {
        const action = this.#deliver(handler, entry);
        if (action === Action.Abort) {
          isComplete = false;
          break;
        }
        end = this.#header.wrap(this.arena.i32[entry] as number).position;
        delivered++;
        if (action === Action.Commit) {
          this.#moveTo(end);
        }
        if (action === Action.Break || this.isClosed) {
          isComplete = false;
          break;
        }
      }
      end = isComplete ? (this.arena.f64[(area + SCAN_END_OFFSET) >> 3] as number) : end;
    } finally {
      this.context.endPoll();
      this.#moveTo(end);
    }
    return delivered;
  }

  /** Whether anything may be delivered: a scan of each idle stream is what many of them cost. */
  #hasNews(limitPosition: Position): boolean {
    return (
      this.#position < limitPosition && this.#position < this.rebuildPosition && !this.isClosed
    );
  }

  #pollOnce(handler: FragmentHandler, limitPosition: Position, wanted: number): number {
    const area = this.context.beginPoll();
    const count = this.#scan(area, limitPosition, wanted);
    let entry = (area + SCAN_HEADER_LENGTH) >> 2;
    let end = this.#position;
    try {
      for (let index = 0; index < count && !this.isClosed; index++) {
        // A fragment whose handler throws was delivered: it does not come again.
        end = this.#header.wrap(this.arena.i32[entry] as number).position;
        this.#deliver(handler, entry);
        entry += SCAN_ENTRY_LENGTH >> 2;
      }
      end = this.arena.f64[(area + SCAN_END_OFFSET) >> 3] as number;
    } finally {
      this.context.endPoll();
      this.#moveTo(end);
    }
    return count;
  }

  #scan(area: number, limitPosition: Position, frameLimit: number): number {
    const limit = Math.min(limitPosition, this.rebuildPosition);
    return this.arena.core.scan(this.meta, this.#position, limit, frameLimit, area);
  }

  #deliver<R>(
    handler: (view: DataView, offset: number, length: number, header: FragmentHeader) => R,
    entry: number,
  ): R {
    const frame = this.arena.i32[entry] as number;
    const length = this.arena.i32[entry + 1] as number;
    this.#header.wrap(frame);
    return handler(
      this.arena.view,
      frame + DATA_HEADER_LENGTH,
      length - DATA_HEADER_LENGTH,
      this.#header,
    );
  }

  #moveTo(position: Position): void {
    if (position > this.#position && !this.isClosed) {
      this.#position = position;
      this.onConsumed();
    }
  }
}
