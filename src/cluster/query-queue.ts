// query-queue.ts: queries that wait, in the order in which they came.
//
// They lie one behind the other in one buffer, as they came: a batch of a thousand is copied in one
// go, and ten thousand queries are no ten thousand objects. The newest is not taken when a limit is
// reached: its client hears so.

import { assert } from '../assert.js';
import {
  clearRecordPadding,
  RECORD_HEADER_LENGTH,
  recordBodyLength,
  recordLength,
  recordQueryId,
  writeRecordHeader,
} from '../protocol/query-records.js';

// A run: queries of one session, each a record.
const RUN_SESSION_OFFSET = 0;
const RUN_COUNT_OFFSET = 8;
const RUN_HEADER_LENGTH = 16;
const INITIAL_LENGTH = 4096;

/** The limits of a queue. */
export interface QueryLimits {
  /** Queries that wait at a time. */
  readonly countMax: number;
  /** Bytes of all that wait: bodies padded to 8, with 16 for each, and 16 for each batch. */
  readonly bytesMax: number;
}

/** First in, first out; bounded. */
export class QueryQueue {
  readonly limits: QueryLimits;
  #bytes = new Uint8Array(INITIAL_LENGTH);
  #view = new DataView(this.#bytes.buffer);
  // Invariant: head <= tail; in between lie the rest of the first run, and whole runs.
  #head = 0;
  #tail = 0;
  #count = 0;
  /** Of the first run: its session, and its queries that are left. */
  #sessionId = -1;
  #runCount = 0;

  constructor(limits: QueryLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes that are in use. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** Adds a query; false when a limit is reached. */
  push(
    sessionId: number,
    queryId: number,
    from: DataView,
    offset: number,
    length: number,
  ): boolean {
    const bytes = recordLength(length);
    if (!this.#hasRoom(1, bytes)) {
      return false;
    }
    const at = this.#begin(sessionId, 1, bytes);
    writeRecordHeader(this.#view, at, queryId, length, 0);
    clearRecordPadding(this.#view, at, length);
    this.#copy(at + RECORD_HEADER_LENGTH, from, offset, length);
    this.#end();
    return true;
  }

  /** Adds queries whose records were counted; false, and none is added, when a limit is reached. */
  pushRecords(
    sessionId: number,
    count: number,
    from: DataView,
    offset: number,
    length: number,
  ): boolean {
    if (!this.#hasRoom(count, length)) {
      return false;
    }
    this.#copy(this.#begin(sessionId, count, length), from, offset, length);
    this.#end();
    return true;
  }

  /** Of the oldest query; there has to be one. */
  get sessionId(): number {
    return this.#sessionId;
  }

  get queryId(): number {
    return recordQueryId(this.#view, this.#head);
  }

  get bodyLength(): number {
    return recordBodyLength(this.#view, this.#head);
  }

  /** Where its body begins in `view`. */
  get bodyOffset(): number {
    return this.#head + RECORD_HEADER_LENGTH;
  }

  /** Holds the bodies until the next push. */
  get view(): DataView {
    return this.#view;
  }

  /** Removes the oldest query. */
  shift(): void {
    assert(this.#count > 0, 'there is a query to remove');
    this.#head += recordLength(this.bodyLength);
    this.#count--;
    this.#runCount--;
    if (this.#count === 0) {
      this.#head = 0;
      this.#tail = 0;
    } else if (this.#runCount === 0) {
      this.#openRun();
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#head = 0;
    this.#tail = 0;
    this.#count = 0;
    this.#runCount = 0;
    this.#bytes = new Uint8Array(INITIAL_LENGTH);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #hasRoom(count: number, length: number): boolean {
    const { bytesMax, countMax } = this.limits;
    return this.#count + count <= countMax && this.length + RUN_HEADER_LENGTH + length <= bytesMax;
  }

  /** Writes the head of a run at the tail; returns where its records go. */
  #begin(sessionId: number, count: number, length: number): number {
    this.#reserve(RUN_HEADER_LENGTH + length);
    const at = this.#tail;
    this.#view.setFloat64(at + RUN_SESSION_OFFSET, sessionId, true);
    this.#view.setUint32(at + RUN_COUNT_OFFSET, count, true);
    this.#tail += RUN_HEADER_LENGTH + length;
    this.#count += count;
    return at + RUN_HEADER_LENGTH;
  }

  #end(): void {
    if (this.#runCount === 0) {
      this.#openRun();
    }
  }

  /** The run at the head is the first one from now on. */
  #openRun(): void {
    this.#sessionId = this.#view.getFloat64(this.#head + RUN_SESSION_OFFSET, true);
    this.#runCount = this.#view.getUint32(this.#head + RUN_COUNT_OFFSET, true);
    this.#head += RUN_HEADER_LENGTH;
  }

  #copy(at: number, from: DataView, offset: number, length: number): void {
    this.#bytes.set(new Uint8Array(from.buffer, from.byteOffset + offset, length), at);
  }

  #reserve(length: number): void {
    if (this.#tail + length <= this.#bytes.length) {
      return;
    }
    const needed = this.length + length;
    // Moved within the buffer only while it is at most half full, or every push might move all.
    const isRoomy = 2 * needed <= this.#bytes.length;
    const target = isRoomy ? this.#bytes : new Uint8Array(2 * Math.max(needed, INITIAL_LENGTH));
    target.set(this.#bytes.subarray(this.#head, this.#tail));
    this.#tail = this.length;
    this.#head = 0;
    this.#bytes = target;
    this.#view = new DataView(target.buffer);
  }
}
