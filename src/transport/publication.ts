// publication.ts: the writing end of a log buffer, whatever reads it.
//
// One writer appends; network receivers, spies and in-process subscribers read the very same bytes.
// Every result of an append is a position or a negative code: nothing waits, nothing queues.

import {
  CLOSED,
  DATA_HEADER_LENGTH,
  FRAME_ALIGNMENT,
  LOG_END_OF_STREAM_POSITION_OFFSET,
  LOG_IS_CONNECTED_OFFSET,
  NOT_CONNECTED,
} from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { LocalImage, type LocalImageOptions } from './local-image.js';
import { LogMemory, messageLengthMax, type StreamGeometry } from './log-memory.js';
import type { Stream, TransportContext } from './transport-context.js';

/** Terms of history that are kept behind the slowest reader, for NAKs and late readers. */
const RETAINED_TERMS = 2;

/** What makes frames carry a checksum and the term of the leader that wrote them. */
export interface ChecksumOptions {
  readonly leadershipTermId: number;
}

/** A log buffer with one writer. */
export abstract class Publication implements Stream {
  readonly sessionId: number;
  readonly streamId: number;
  readonly initialTermId: number;
  readonly termLength: number;
  readonly mtuLength: number;
  /** Longest message that is one frame. */
  readonly maxPayloadLength: number;
  /** Longest message; above maxPayloadLength it is fragmented. */
  readonly maxMessageLength: number;
  readonly arena: Arena;
  /** Address of the log buffer's metadata page, for core calls. */
  readonly meta: number;
  isQueued = false;
  isUrgent = false;
  isDone = false;
  protected readonly context: TransportContext;
  protected readonly log: LogMemory;
  /** Subscribers and spies in this process. */
  protected readonly readers: LocalImage[] = [];
  protected isClosing = false;
  /** Others that may still read the memory after the publication is closed. */
  protected retainCount = 0;
  #limit: Position;
  #endPosition: Position = 0;

  constructor(context: TransportContext, geometry: StreamGeometry, checksum?: ChecksumOptions) {
    this.context = context;
    this.arena = context.arena;
    this.log = new LogMemory(context.arena, geometry);
    this.meta = this.log.meta;
    this.sessionId = geometry.sessionId;
    this.streamId = geometry.streamId;
    this.initialTermId = geometry.initialTermId;
    this.termLength = geometry.termLength;
    this.mtuLength = geometry.mtuLength;
    this.maxPayloadLength = geometry.mtuLength - DATA_HEADER_LENGTH;
    this.maxMessageLength = messageLengthMax(geometry.termLength);
    this.#limit = geometry.position;
    if (checksum !== undefined) {
      this.arena.core.logSetChecksum(this.meta, 1, checksum.leadershipTermId | 0);
    }
    context.counters.publicationsOpened++;
  }

  abstract get isConnected(): boolean;
  abstract get isWaiting(): boolean;
  abstract get failure(): Error | undefined;
  abstract duty(nowNs: number): number;
  abstract deadlineNs(): number;
  abstract readyNs(): number;

  /** Whether offers are refused for good. */
  get isClosed(): boolean {
    return this.isClosing;
  }

  /** Tail: everything below was appended. */
  position(): Position {
    return this.isClosing ? this.#endPosition : this.arena.core.logTail(this.meta);
  }

  /** How far appends may go for now. */
  positionLimit(): Position {
    return this.#limit;
  }

  /** Lowest position that the buffer still holds intact. */
  oldestPosition(): Position {
    return this.log.oldestPosition;
  }

  /**
   * Appends a message.
   *
   * @returns the tail position, or NOT_CONNECTED, BACK_PRESSURED, CLOSED, MAX_POSITION_EXCEEDED.
   * @throws PawlError MESSAGE_TOO_LONG above maxMessageLength.
   */
  offer(buffer: Uint8Array, offset: number, length: number): number {
    const refusal = this.#admit(length);
    if (refusal < 0) {
      return refusal;
    }
    const { core, u8 } = this.arena;
    if (length > this.maxPayloadLength) {
      return this.#appended(core.append(this.meta, this.#stage(buffer, offset, length), length));
    }
    const address = core.appendClaim(this.meta, length);
    if (address < 0) {
      return address;
    }
    copyInto(u8, address, buffer, offset, length);
    return this.#appended(core.appendCommit(this.meta, address));
  }

  /** As `offer` for bytes that lie in the arena. */
  offerAt(address: number, length: number): number {
    const refusal = this.#admit(length);
    return refusal < 0
      ? refusal
      : this.#appended(this.arena.core.append(this.meta, address, length));
  }

  /** As `offer` for a message in two parts: a head in the arena and a body anywhere. */
  offer2(
    headAddress: number,
    headLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    const refusal = this.#admit(headLength + length);
    if (refusal < 0) {
      return refusal;
    }
    const { core, u8 } = this.arena;
    if (headLength + length > this.maxPayloadLength) {
      const body = this.#stage(buffer, offset, length);
      return this.#appended(core.append2(this.meta, headAddress, headLength, body, length));
    }
    const address = core.appendClaim(this.meta, headLength + length);
    if (address < 0) {
      return address;
    }
    u8.copyWithin(address, headAddress, headAddress + headLength);
    copyInto(u8, address + headLength, buffer, offset, length);
    return this.#appended(core.appendCommit(this.meta, address));
  }

  /**
   * Claims room for a message of one frame, to be written in place, all of it.
   *
   * @param length at most maxPayloadLength.
   * @returns address of the payload, or a result code. Commit or abort it before the next append.
   */
  tryClaim(length: number): number {
    const refusal = this.#admit(length);
    if (refusal < 0) {
      return refusal;
    }
    if (length > this.maxPayloadLength) {
      throw tooLong(length, this.maxPayloadLength, 'offer it, so that it is fragmented');
    }
    return this.arena.core.appendClaim(this.meta, length);
  }

  /** Publishes a claim. Returns the tail position. */
  commit(address: number): number {
    return this.#appended(this.arena.core.appendCommit(this.meta, address));
  }

  /** Gives a claim up: it becomes padding, which nobody is handed. */
  abort(address: number): void {
    this.arena.core.appendAbort(this.meta, address);
    this.flushNeeded();
  }

  /** Bytes were appended through core calls: they are sent in the next duty cycle. */
  flushNeeded(): void {
    this.context.enqueue(this);
  }

  /** Keeps the memory after the publication is closed, for whoever reads it in another thread. */
  retain(): void {
    assert(!this.isDone, 'only a publication with memory is retained');
    this.retainCount++;
  }

  /** Gives up one `retain`. */
  release(): void {
    assert(this.retainCount > 0, 'a publication is released as often as it was retained');
    this.retainCount--;
    this.flushNeeded();
  }

  /** Refuses offers at once; what was appended is still sent. Idempotent. */
  close(): void {
    if (!this.isClosing) {
      this.#endPosition = this.arena.core.logTail(this.meta);
      this.isClosing = true;
      this.arena.core.counterSet(this.meta + LOG_END_OF_STREAM_POSITION_OFFSET, this.#endPosition);
      this.flushNeeded();
    }
  }

  /** Whether a message may be appended now: 0, or a negative code. */
  protected abstract admission(): number;

  #admit(length: number): number {
    if (this.isClosing) {
      return CLOSED;
    }
    if (length > this.maxMessageLength) {
      throw tooLong(length, this.maxMessageLength, 'send less, or raise termLength');
    }
    return this.admission();
  }

  #appended(result: number): number {
    // Back pressure asks for nothing: whatever raises the limit queues the publication itself.
    if (result >= 0) {
      this.flushNeeded();
    }
    return result;
  }

  #stage(buffer: Uint8Array, offset: number, length: number): number {
    if (buffer.buffer === this.arena.u8.buffer) {
      return buffer.byteOffset + offset;
    }
    const address = this.context.messageStaging(this.maxMessageLength);
    copyInto(this.arena.u8, address, buffer, offset, length);
    return address;
  }

  // --- readers in this process ---

  /**
   * Adds a subscriber or spy.
   *
   * @throws PawlError ARGUMENT_OUT_OF_RANGE when the buffer does not hold its join position.
   */
  openReader(options: LocalImageOptions): LocalImage {
    assert(!this.isClosing, 'a closed publication has no new readers');
    const { joinPosition } = options;
    if (joinPosition < this.oldestPosition() || joinPosition > this.position()) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `position ${joinPosition} is not in the term buffers: use one from ` +
          `${this.oldestPosition()} to ${this.position()}`,
      );
    }
    const reader = new LocalImage(this.context, this.log, this, options);
    this.readers.push(reader);
    this.context.enqueue(this);
    return reader;
  }

  detach(reader: LocalImage): void {
    const index = this.readers.indexOf(reader);
    assert(index >= 0, 'a reader is detached once');
    this.readers.splice(index, 1);
    this.context.enqueue(this);
  }

  /** Position of the slowest reader that must not be overtaken; `ceiling` when there is none. */
  protected slowestReader(ceiling: Position): Position {
    let slowest = ceiling;
    for (let index = 0; index < this.readers.length; index++) {
      const reader = this.readers[index] as LocalImage;
      if (reader.isTethered && reader.position < slowest) {
        slowest = reader.position;
      }
    }
    return slowest;
  }

  /**
   * Gives up what is far enough behind the readers, and moves the limit.
   *
   * @param consumed position of the slowest reader. @param intactFrom bytes from here on are kept,
   *   whoever read them. @param limit how far the readers let the writer go.
   */
  protected advanceLimit(consumed: Position, intactFrom: Position, limit: Position): void {
    this.log.retire(Math.min(consumed - RETAINED_TERMS * this.termLength, intactFrom));
    this.#dropOvertaken();
    const proposed = Math.min(limit, this.log.writeLimit);
    const aligned = proposed - (proposed % FRAME_ALIGNMENT);
    if (aligned > this.#limit) {
      this.#limit = aligned;
      this.arena.core.logSetPublisherLimit(this.meta, aligned);
    }
  }

  /** An untethered reader whose bytes were given up has lost its place. */
  #dropOvertaken(): void {
    for (let index = this.readers.length - 1; index >= 0; index--) {
      const reader = this.readers[index] as LocalImage;
      if (reader.position < this.log.oldestPosition) {
        assert(!reader.isTethered, 'giving up waits for tethered readers');
        reader.close();
      }
    }
  }

  /** Shows other threads whether offers make sense. */
  protected setConnected(isConnected: boolean): void {
    this.arena.i32[(this.meta + LOG_IS_CONNECTED_OFFSET) >> 2] = isConnected ? 1 : 0;
  }

  /** Releases everything at once. Idempotent. */
  dispose(): void {
    if (this.isDone) {
      return;
    }
    this.close();
    this.isDone = true;
    for (const reader of [...this.readers]) {
      reader.close();
    }
    this.disposeMedia();
    this.log.release();
    this.context.counters.publicationsClosed++;
  }

  protected abstract disposeMedia(): void;
}

/** Result code of an append to a publication without readers. */
export function admissionOf(isConnected: boolean): number {
  return isConnected ? 0 : NOT_CONNECTED;
}

function copyInto(
  target: Uint8Array,
  address: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
): void {
  assert(offset >= 0 && length >= 0 && offset + length <= buffer.length, 'bytes to send exist');
  const isWhole = offset === 0 && length === buffer.length;
  target.set(isWhole ? buffer : buffer.subarray(offset, offset + length), address);
}

function tooLong(length: number, limit: number, remedy: string): PawlError {
  return new PawlError(
    ErrorCode.MessageTooLong,
    `message of ${length} bytes is longer than ${limit}: ${remedy}`,
  );
}
