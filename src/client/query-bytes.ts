// query-bytes.ts: the bytes of queries without an outcome, each as the record that is sent.
//
// Records lie one behind the other in one buffer: those of queries that were asked one after the
// other are sent by one copy. Where the buffer ends, what is still wanted is moved to its front.

import {
  clearRecordPadding,
  RECORD_HEADER_LENGTH,
  recordLength,
  writeRecordHeader,
} from '../protocol/query-records.js';

const INITIAL_LENGTH = 4096;
/** Of what is wanted, so that moving it costs each record at most one copy. */
const ROOM = 4;
/** A buffer that is longer than this times what it would have to be is given up. */
const SURPLUS_MAX = 16;
/** A body of at most so many bytes is copied faster by a loop than by a call. */
const LOOP_LENGTH_MAX = 64;

/** Records that are wanted, in the order in which they lie; tells where each of them is now. */
export interface WantedRecords {
  /** Calls `move` for each with its start; what it returns is its start from then on. */
  forEachRecord(move: (start: number, length: number) => number): void;
}

/** A buffer of records. */
export class QueryBytes {
  readonly #wanted: WantedRecords;
  #bytes = new Uint8Array(INITIAL_LENGTH);
  #view = new DataView(this.#bytes.buffer);
  #tail = 0;
  /** Bytes of records that are wanted. */
  #length = 0;

  constructor(wanted: WantedRecords) {
    this.#wanted = wanted;
  }

  /** Valid until the next record is added. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Adds a record; returns its start. The body is copied. */
  add(queryId: number, body: Uint8Array): number {
    const { length } = body;
    this.#reserve(recordLength(length));
    const start = this.#tail;
    writeRecordHeader(this.#view, start, queryId, length, 0);
    const at = start + RECORD_HEADER_LENGTH;
    if (length <= LOOP_LENGTH_MAX) {
      const bytes = this.#bytes;
      for (let index = 0; index < length; index++) {
        bytes[at + index] = body[index] as number;
      }
    } else {
      this.#bytes.set(body, at);
    }
    clearRecordPadding(this.#view, start, length);
    this.#tail += recordLength(length);
    this.#length += recordLength(length);
    return start;
  }

  /** A record is wanted no more. @param length of its body. */
  release(length: number): void {
    this.#length -= recordLength(length);
    if (this.#length === 0) {
      this.#tail = 0;
    }
  }

  #reserve(length: number): void {
    if (this.#tail + length <= this.#bytes.length) {
      return;
    }
    const lengthMin = ROOM * Math.max(this.#length + length, INITIAL_LENGTH);
    const own = this.#bytes;
    const isKept = own.length >= lengthMin / 2 && own.length <= SURPLUS_MAX * lengthMin;
    const target = isKept ? own : new Uint8Array(lengthMin);
    let end = 0;
    // Runs of records that follow each other are moved at once. All go down, or elsewhere.
    let [from, to] = [0, 0];
    const flush = () => {
      target.set(own.subarray(from, to), end - (to - from));
    };
    this.#wanted.forEachRecord((start, bytes) => {
      if (start !== to) {
        flush();
        from = start;
      }
      to = start + bytes;
      end += bytes;
      return end - bytes;
    });
    flush();
    this.#tail = end;
    this.#bytes = target;
    this.#view = new DataView(target.buffer);
  }
}
