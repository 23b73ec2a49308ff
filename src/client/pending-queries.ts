// pending-queries.ts: the queries of a client that have no outcome yet, and which are to be sent.
//
// There may be thousands, and each is looked at a few times only: so they are no objects, but rows
// of columns, in the order in which they were asked. A query's number is its place, and the last
// digits of a place are its row. One that keeps the row of a new one, because it is without an
// answer for long, moves to a place of its own behind all others.

import { assert } from '../assert.js';
import { RECORD_HEADER_LENGTH, recordLength } from '../protocol/query-records.js';
import { QueryBytes } from './query-bytes.js';
import type { LongQuery, QuerySource } from './query-writer.js';

// What a row holds.
/** A query without an outcome. */
const OPEN = 1;
/** It was not sent yet: it is sent in its turn among those after `#freshPlace`. */
const FRESH = 2;
/** It is to be sent again: its number stands in `#again`. */
const AGAIN = 4;
/** The last leader that was asked had too much to do. */
const BUSY = 8;

const ROW_COUNT_MIN = 64;

/** The columns; a power of two rows. */
class Rows {
  readonly mask: number;
  readonly flags: Uint8Array;
  readonly queryIds: Float64Array;
  readonly deadlinesNs: Float64Array;
  /** Where it was sent: when it is asked again unless it is answered. */
  readonly againNs: Float64Array;
  readonly attempts: Uint32Array;
  /** Where the record starts, and how long the body is. */
  readonly starts: Float64Array;
  readonly lengths: Uint32Array;

  constructor(count: number) {
    this.mask = count - 1;
    this.flags = new Uint8Array(count);
    this.queryIds = new Float64Array(count);
    this.deadlinesNs = new Float64Array(count);
    this.againNs = new Float64Array(count);
    this.attempts = new Uint32Array(count);
    this.starts = new Float64Array(count);
    this.lengths = new Uint32Array(count);
  }

  copy(row: number, from: Rows, fromRow: number): void {
    this.flags[row] = from.flags[fromRow] as number;
    this.queryIds[row] = from.queryIds[fromRow] as number;
    this.deadlinesNs[row] = from.deadlinesNs[fromRow] as number;
    this.againNs[row] = from.againNs[fromRow] as number;
    this.attempts[row] = from.attempts[fromRow] as number;
    this.starts[row] = from.starts[fromRow] as number;
    this.lengths[row] = from.lengths[fromRow] as number;
  }
}

/** Bounded by count and bytes. */
export class PendingQueries implements QuerySource {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #records: QueryBytes;
  #rows = new Rows(ROW_COUNT_MIN);
  // Invariant: all open queries have places from `#first` on and below `#next`, and these are at
  // most as many as there are rows.
  #first = 1;
  #next = 1;
  /** By number: the places of queries that have moved. */
  readonly #moved = new Map<number, number>();
  #count = 0;
  /** Of all bodies. */
  #byteCount = 0;
  /** No query below this place is fresh. */
  #freshPlace = 1;
  /** Numbers of queries to send again; some may have their outcome. */
  #again: number[] = [];
  // What `copyDue` or `longDue` took last: so many of `#again`, and the fresh ones below a place.
  #takenAgain = 0;
  #takenPlace = 1;
  /** No query has to be looked at before this, as of the last look at all of them. */
  #nextLookNs = Number.POSITIVE_INFINITY;
  /** Queries that were sent more than once, each time. */
  retryCount = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
    this.#records = new QueryBytes({ forEachRecord: (move) => this.#moveRecords(move) });
  }

  get count(): number {
    return this.#count;
  }

  has(queryId: number): boolean {
    return this.#rowOf(queryId) >= 0;
  }

  /** The numbers of all, in the order of their places. */
  ids(): number[] {
    const ids: number[] = [];
    this.#forEachRow((row) => ids.push(this.#rows.queryIds[row] as number));
    return ids;
  }

  /** How often an open query was sent, and whether the last leader that was asked was busy. */
  historyOf(queryId: number): { readonly attempts: number; readonly isBusy: boolean } {
    const { attempts, flags } = this.#rows;
    const row = this.#rowOf(queryId);
    const isBusy = ((flags[row] as number) & BUSY) !== 0;
    return { attempts: attempts[row] as number, isBusy };
  }

  /** Time before which no query is to be sent again, and none is past its deadline. */
  nextLookNs(): number {
    return this.#nextLookNs;
  }

  /** A new query, due at once: its number; 0 when a limit is reached. The body is copied. */
  add(body: Uint8Array, deadlineNs: number): number {
    const { length } = body;
    const isTooMuch = this.#byteCount + length > this.#bytesMax && this.#byteCount > 0;
    if (this.#count >= this.#countMax || isTooMuch) {
      return 0;
    }
    this.#makeRoom();
    const queryId = this.#next++;
    const start = this.#records.add(queryId, body);
    const rows = this.#rows;
    const row = queryId & rows.mask;
    rows.flags[row] = OPEN | FRESH;
    rows.queryIds[row] = queryId;
    rows.deadlinesNs[row] = deadlineNs;
    rows.attempts[row] = 0;
    rows.starts[row] = start;
    rows.lengths[row] = length;
    this.#count++;
    this.#byteCount += length;
    if (deadlineNs < this.#nextLookNs) {
      this.#nextLookNs = deadlineNs;
    }
    return queryId;
  }

  /** A query has its outcome. Returns whether it had none before. */
  remove(queryId: number): boolean {
    const row = this.#rowOf(queryId);
    if (row < 0) {
      return false;
    }
    const { flags, lengths, mask } = this.#rows;
    const length = lengths[row] as number;
    flags[row] = 0;
    this.#count--;
    this.#byteCount -= length;
    this.#records.release(length);
    if (this.#moved.size > 0) {
      this.#moved.delete(queryId);
    }
    while (this.#first < this.#next && flags[this.#first & mask] === 0) {
      this.#first++;
    }
    return true;
  }

  /** All that were sent are due again. */
  sendAgain(): void {
    this.#forEachRow((row) => this.#askAgain(row));
  }

  /** The leader had too much to do for an open query: it is asked again at a time. */
  onBusy(queryId: number, untilNs: number): void {
    const row = this.#rowOf(queryId);
    const rows = this.#rows;
    rows.againNs[row] = untilNs;
    rows.flags[row] = (rows.flags[row] as number) | BUSY;
    this.#nextLookNs = Math.min(this.#nextLookNs, untilNs);
  }

  /**
   * Looks at all queries, when one may want it: makes those due that were sent long ago or were
   * refused a while ago, and calls `expire` with those that are past their deadline.
   */
  look(nowNs: number, expire: (queryId: number) => void): void {
    if (nowNs < this.#nextLookNs) {
      return;
    }
    // What is added meanwhile has its say.
    this.#nextLookNs = Number.POSITIVE_INFINITY;
    let nextNs = Number.POSITIVE_INFINITY;
    const expired: number[] = [];
    this.#forEachRow((row) => {
      const { againNs, deadlinesNs, flags, queryIds } = this.#rows;
      const deadlineNs = deadlinesNs[row] as number;
      if (deadlineNs <= nowNs) {
        expired.push(queryIds[row] as number);
        return;
      }
      nextNs = Math.min(nextNs, deadlineNs);
      if (((flags[row] as number) & (FRESH | AGAIN)) === 0) {
        if ((againNs[row] as number) <= nowNs) {
          this.#askAgain(row);
        } else {
          nextNs = Math.min(nextNs, againNs[row] as number);
        }
      }
    });
    for (const queryId of expired) {
      // What is told of one may end the others.
      if (this.has(queryId)) {
        expire(queryId);
      }
    }
    this.#nextLookNs = Math.min(this.#nextLookNs, nextNs);
  }

  // --- what is to be sent ---

  /** Of the body of the query to send first; -1 when there is none. */
  firstDueLength(): number {
    const row = this.#firstDueRow();
    return row < 0 ? -1 : (this.#rows.lengths[row] as number);
  }

  /** Number of the query to send first; 0 when there is none. */
  firstDueId(): number {
    const row = this.#firstDueRow();
    return row < 0 ? 0 : (this.#rows.queryIds[row] as number);
  }

  /** See QuerySource. */
  copyDue(target: Uint8Array, at: number, lengthMax: number): number {
    this.#firstDueRow();
    const length = this.#copyAgain(target, at, lengthMax);
    this.#takenPlace = this.#freshPlace;
    if (this.#takenAgain < this.#again.length) {
      return length;
    }
    return length + this.#copyFresh(target, at + length, lengthMax - length);
  }

  /** See QuerySource. */
  longDue(): LongQuery | undefined {
    const row = this.#firstDueRow();
    if (row < 0) {
      return undefined;
    }
    this.#takenAgain = Math.min(1, this.#again.length);
    this.#takenPlace = this.#freshPlace + 1 - this.#takenAgain;
    const { lengths, queryIds, starts } = this.#rows;
    const queryId = queryIds[row] as number;
    const offset = (starts[row] as number) + RECORD_HEADER_LENGTH;
    return { queryId, bytes: this.#records.bytes, offset, length: lengths[row] as number };
  }

  /** What was taken last has been sent. Returns how many. */
  onSent(nowNs: number, retryIntervalNs: number): number {
    const againNs = nowNs + retryIntervalNs;
    const rows = this.#rows;
    let count = 0;
    for (let index = 0; index < this.#takenAgain; index++) {
      const row = this.#rowOf(this.#again[index] as number);
      count += row < 0 ? 0 : this.#noteSent(row, againNs);
    }
    if (this.#takenAgain > 0) {
      this.#again = this.#again.slice(this.#takenAgain);
      this.#takenAgain = 0;
    }
    for (let place = this.#freshPlace; place < this.#takenPlace; place++) {
      const row = place & rows.mask;
      if (((rows.flags[row] as number) & FRESH) !== 0) {
        count += this.#noteSent(row, againNs);
      }
    }
    this.#freshPlace = this.#takenPlace;
    this.#nextLookNs = Math.min(this.#nextLookNs, againNs);
    return count;
  }

  #noteSent(row: number, againNs: number): number {
    const rows = this.#rows;
    const attempts = rows.attempts[row] as number;
    this.retryCount += attempts > 0 ? 1 : 0;
    rows.attempts[row] = attempts + 1;
    rows.againNs[row] = againNs;
    rows.flags[row] = OPEN;
    return 1;
  }

  /** Passes over what has its outcome. Returns the row of the query to send first, or -1. */
  #firstDueRow(): number {
    while (this.#again.length > 0) {
      const row = this.#rowOf(this.#again[0] as number);
      if (row >= 0) {
        return row;
      }
      this.#again.shift();
    }
    const { flags, mask } = this.#rows;
    this.#freshPlace = Math.max(this.#freshPlace, this.#first);
    for (; this.#freshPlace < this.#next; this.#freshPlace++) {
      const row = this.#freshPlace & mask;
      if (((flags[row] as number) & FRESH) !== 0) {
        return row;
      }
    }
    return -1;
  }

  #copyAgain(target: Uint8Array, at: number, lengthMax: number): number {
    const { lengths, starts } = this.#rows;
    const { bytes } = this.#records;
    let length = 0;
    let taken = 0;
    for (; taken < this.#again.length; taken++) {
      const row = this.#rowOf(this.#again[taken] as number);
      if (row >= 0) {
        const own = recordLength(lengths[row] as number);
        if (length + own > lengthMax) {
          break;
        }
        const start = starts[row] as number;
        target.set(bytes.subarray(start, start + own), at + length);
        length += own;
      }
    }
    this.#takenAgain = taken;
    return length;
  }

  /** Those that lie one behind the other are copied at once. */
  #copyFresh(target: Uint8Array, at: number, lengthMax: number): number {
    const { flags, lengths, mask, starts } = this.#rows;
    const { bytes } = this.#records;
    let length = 0;
    let [from, to] = [0, 0];
    let place = this.#freshPlace;
    for (; place < this.#next; place++) {
      const row = place & mask;
      if (((flags[row] as number) & FRESH) !== 0) {
        const own = recordLength(lengths[row] as number);
        if (length + own > lengthMax) {
          break;
        }
        const start = starts[row] as number;
        if (start !== to) {
          target.set(bytes.subarray(from, to), at + length - (to - from));
          from = start;
        }
        to = start + own;
        length += own;
      }
    }
    target.set(bytes.subarray(from, to), at + length - (to - from));
    this.#takenPlace = place;
    return length;
  }

  #askAgain(row: number): void {
    const { flags, queryIds } = this.#rows;
    const flag = flags[row] as number;
    if ((flag & (FRESH | AGAIN)) === 0) {
      flags[row] = flag | AGAIN;
      this.#again.push(queryIds[row] as number);
    }
  }

  // --- places ---

  /** The row of an open query; -1 for any other. */
  #rowOf(queryId: number): number {
    const { flags, mask, queryIds } = this.#rows;
    const row = queryId & mask;
    if (flags[row] !== 0 && queryIds[row] === queryId) {
      return row;
    }
    const place = this.#moved.size === 0 ? undefined : this.#moved.get(queryId);
    return place === undefined ? -1 : place & mask;
  }

  /** In the order of places. */
  #forEachRow(handler: (row: number) => void): void {
    const { flags, mask } = this.#rows;
    for (let place = this.#first; place < this.#next; place++) {
      const row = place & mask;
      if (flags[row] !== 0) {
        handler(row);
      }
    }
  }

  /** Has the row of the next place free. */
  #makeRoom(): void {
    while (this.#next - this.#first > this.#rows.mask) {
      if (2 * this.#count > this.#rows.mask) {
        this.#grow();
      } else {
        this.#moveFirst();
      }
    }
  }

  /** The oldest query is given the next place, which has its row: only the row's number changes. */
  #moveFirst(): void {
    const { flags, mask, queryIds } = this.#rows;
    assert(this.#next - this.#first === mask + 1, 'the next place has the row of the first');
    this.#moved.set(queryIds[this.#first & mask] as number, this.#next++);
    do {
      this.#first++;
    } while (flags[this.#first & mask] === 0);
  }

  #grow(): void {
    const old = this.#rows;
    const rows = new Rows(2 * (old.mask + 1));
    for (let place = this.#first; place < this.#next; place++) {
      rows.copy(place & rows.mask, old, place & old.mask);
    }
    this.#rows = rows;
  }

  #moveRecords(move: (start: number, length: number) => number): void {
    const { lengths, starts } = this.#rows;
    const rows: number[] = [];
    this.#forEachRow((row) => rows.push(row));
    // The places of those that have moved are not the order in which the records lie.
    if (this.#moved.size > 0) {
      rows.sort((left, right) => (starts[left] as number) - (starts[right] as number));
    }
    for (const row of rows) {
      starts[row] = move(starts[row] as number, recordLength(lengths[row] as number));
    }
  }
}
