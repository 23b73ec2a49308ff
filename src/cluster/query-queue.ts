// query-queue.ts: queries that wait, in the order in which they came.
//
// They lie one behind the other in one buffer, so that ten thousand of them are no ten thousand
// objects. The newest is not taken when a limit is reached: its client hears so.

const SESSION_OFFSET = 0;
const QUERY_OFFSET = 8;
const LENGTH_OFFSET = 16;
const RECORD_HEADER_LENGTH = 24;
const INITIAL_LENGTH = 4096;

/** The limits of a queue. */
export interface QueryLimits {
  /** Queries that wait at a time. */
  readonly countMax: number;
  /** Bytes of all that wait, with 24 for each. */
  readonly bytesMax: number;
}

/** First in, first out; bounded. */
export class QueryQueue {
  readonly limits: QueryLimits;
  #bytes = new Uint8Array(INITIAL_LENGTH);
  #view = new DataView(this.#bytes.buffer);
  // Invariant: head <= tail; records lie in between.
  #head = 0;
  #tail = 0;
  #count = 0;

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
  push(sessionId: number, queryId: number, from: DataView, offset: number, length: number) {
    const recordLength = RECORD_HEADER_LENGTH + length;
    const isFull = this.#count >= this.limits.countMax;
    if (isFull || this.length + recordLength > this.limits.bytesMax) {
      return false;
    }
    this.#reserve(recordLength);
    const at = this.#tail;
    this.#view.setFloat64(at + SESSION_OFFSET, sessionId, true);
    this.#view.setFloat64(at + QUERY_OFFSET, queryId, true);
    this.#view.setUint32(at + LENGTH_OFFSET, length, true);
    const body = new Uint8Array(from.buffer, from.byteOffset + offset, length);
    this.#bytes.set(body, at + RECORD_HEADER_LENGTH);
    this.#tail += recordLength;
    this.#count++;
    return true;
  }

  /** Of the oldest query; there has to be one. */
  get sessionId(): number {
    return this.#view.getFloat64(this.#head + SESSION_OFFSET, true);
  }

  get queryId(): number {
    return this.#view.getFloat64(this.#head + QUERY_OFFSET, true);
  }

  get bodyLength(): number {
    return this.#view.getUint32(this.#head + LENGTH_OFFSET, true);
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
    this.#head += RECORD_HEADER_LENGTH + this.bodyLength;
    this.#count--;
    if (this.#count === 0) {
      this.#head = 0;
      this.#tail = 0;
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#head = 0;
    this.#tail = 0;
    this.#count = 0;
    this.#bytes = new Uint8Array(INITIAL_LENGTH);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #reserve(recordLength: number): void {
    if (this.#tail + recordLength <= this.#bytes.length) {
      return;
    }
    const { length } = this;
    const needed = length + recordLength;
    // Moved within the buffer only while it is at most half full, or every push might move all.
    const isRoomy = 2 * needed <= this.#bytes.length;
    const target = isRoomy ? this.#bytes : new Uint8Array(2 * Math.max(needed, INITIAL_LENGTH));
    target.set(this.#bytes.subarray(this.#head, this.#tail));
    this.#head = 0;
    this.#tail = length;
    this.#bytes = target;
    this.#view = new DataView(target.buffer);
  }
}
