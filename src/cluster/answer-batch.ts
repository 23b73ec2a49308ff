// answer-batch.ts: answers to queries on their way to a client, many in one message.
//
// Answers that follow each other mostly go to one client and hold at one position of the log. They
// are written behind a common header, in the arena, until somebody else has to say something, or
// the message is as long as a datagram.

import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { QueryAnswersEncoder } from '../protocol/codecs/query-answers.js';
import {
  clearRecordPadding,
  RECORD_HEADER_LENGTH,
  recordLength,
  writeRecordHeader,
} from '../protocol/query-records.js';

const HEADER_LENGTH = QueryAnswersEncoder.LENGTH_MIN;

/** One message under construction. */
export class AnswerBatch {
  readonly address: number;
  readonly #arena: Arena;
  readonly #lengthMax: number;
  readonly #encoder = new QueryAnswersEncoder();
  #lastBody: Uint8Array = new Uint8Array(0);
  #lastBuffer: ArrayBufferView = this.#lastBody;
  #lastOffset = 0;
  #lastLength = 0;
  #sessionId = -1;
  #logPosition: Position = -1;
  #length = HEADER_LENGTH;
  #count = 0;

  /** @param lengthMax of the message, bytes. */
  constructor(arena: Arena, lengthMax: number) {
    this.#arena = arena;
    this.#lengthMax = lengthMax;
    this.address = arena.allocate(lengthMax);
  }

  get sessionId(): number {
    return this.#sessionId;
  }

  /** Answers in it. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the message. */
  get length(): number {
    return this.#length;
  }

  /** Whether an answer has room in an empty batch. */
  canHold(bodyLength: number): boolean {
    return HEADER_LENGTH + recordLength(bodyLength) <= this.#lengthMax;
  }

  /** Whether an answer may be added to those that are there. */
  fits(sessionId: number, logPosition: Position, bodyLength: number): boolean {
    return (
      this.#length + recordLength(bodyLength) <= this.#lengthMax &&
      (this.#count === 0 || (sessionId === this.#sessionId && logPosition === this.#logPosition))
    );
  }

  /** Adds an answer that fits. */
  add(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.#sessionId = sessionId;
    this.#logPosition = logPosition;
    const { u8, view } = this.#arena;
    const at = this.address + this.#length;
    writeRecordHeader(view, at, queryId, length, code);
    if (length > 0) {
      u8.set(this.#bytesOf(buffer, offset, length), at + RECORD_HEADER_LENGTH);
      clearRecordPadding(view, at, length);
    }
    this.#length += recordLength(length);
    this.#count++;
  }

  /** Services mostly put answers of one length together in one place: the last view is kept. */
  #bytesOf(buffer: ArrayBufferView, offset: number, length: number): Uint8Array {
    if (buffer !== this.#lastBuffer || offset !== this.#lastOffset || length !== this.#lastLength) {
      this.#lastBuffer = buffer;
      this.#lastOffset = offset;
      this.#lastLength = length;
      this.#lastBody = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    }
    return this.#lastBody;
  }

  /** Writes the header: the message is complete. */
  finish(leadershipTermId: number): void {
    this.#encoder
      .wrapAndApplyHeader(this.#arena.view, this.address)
      .leadershipTermId(leadershipTermId)
      .clusterSessionId(this.#sessionId)
      .logPosition(this.#logPosition);
  }

  clear(): void {
    this.#length = HEADER_LENGTH;
    this.#count = 0;
  }

  release(): void {
    this.#arena.release(this.address, this.#lengthMax);
  }
}
