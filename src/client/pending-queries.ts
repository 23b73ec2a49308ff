// pending-queries.ts: the queries of a client that have no answer yet, and which are to be sent.

/** A query without an answer. Its object serves another one when it has its outcome. */
export interface PendingQuery {
  queryId: number;
  /** The client's own copy, and its length: thousands are looked at, and their bytes are not. */
  body: Uint8Array;
  length: number;
  deadlineNs: number;
  attempts: number;
  /** Where it was sent: when it is asked again unless it is answered. */
  againNs: number;
  /** The last leader that was asked had too much to do. */
  isBusy: boolean;
  /** Has no outcome yet. */
  isOpen: boolean;
  /** Stands in the queue of what is to be sent. */
  isDue: boolean;
}

/** Queries with an outcome whose objects and bytes are kept for the next ones. */
const SPARE_COUNT_MAX = 16_384;
/** Places for queries by their number to begin with; a power of two. */
const RING_LENGTH_MIN = 64;
/** Longer bodies are not kept. */
const SPARE_BODY_LENGTH_MAX = 256;

/** Bounded by count and bytes. */
export class PendingQueries {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #queries = new OpenQueries();
  readonly #spare: PendingQuery[] = [];
  #due: PendingQuery[] = [];
  #dueStart = 0;
  #bytes = 0;
  #nextId = 1;
  /** No query has to be looked at before this, as of the last look at all of them. */
  #nextLookNs = Number.POSITIVE_INFINITY;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#queries.count;
  }

  get(queryId: number): PendingQuery | undefined {
    return this.#queries.get(queryId);
  }

  values(): Iterable<PendingQuery> {
    return this.#queries;
  }

  /** Time before which no query is to be sent again, and none is past its deadline. */
  nextLookNs(): number {
    return this.#nextLookNs;
  }

  /** A new query, due at once; undefined when a limit is reached. The body is copied. */
  add(body: Uint8Array, deadlineNs: number): PendingQuery | undefined {
    const isTooMuch = this.#bytes + body.length > this.#bytesMax && this.#bytes > 0;
    if (this.#queries.count >= this.#countMax || isTooMuch) {
      return undefined;
    }
    const query = this.#make(body);
    query.queryId = this.#nextId++;
    query.deadlineNs = deadlineNs;
    query.isOpen = true;
    this.#queries.add(query);
    this.#bytes += body.length;
    this.#enqueue(query);
    this.#nextLookNs = Math.min(this.#nextLookNs, deadlineNs);
    return query;
  }

  remove(query: PendingQuery): void {
    if (query.isOpen) {
      query.isOpen = false;
      this.#queries.remove(query);
      this.#bytes -= query.length;
      const isShort = query.length <= SPARE_BODY_LENGTH_MAX;
      // One that stands in the queue of what is to be sent must not come back as another.
      if (isShort && !query.isDue && this.#spare.length < SPARE_COUNT_MAX) {
        this.#spare.push(query);
      }
    }
  }

  /** A query with a copy of a body. */
  #make(body: Uint8Array): PendingQuery {
    const spare = this.#spare.pop();
    const { length } = body;
    if (spare === undefined) {
      const times = { deadlineNs: 0, againNs: 0, attempts: 0 };
      const states = { isBusy: false, isOpen: false, isDue: false };
      return { queryId: 0, body: body.slice(), length, ...times, ...states };
    }
    if (spare.length === length) {
      spare.body.set(body);
    } else {
      spare.body = body.slice();
      spare.length = length;
    }
    spare.attempts = 0;
    spare.isBusy = false;
    return spare;
  }

  /** All that were sent are due again. */
  sendAgain(): void {
    for (const query of this.#queries) {
      if (query.attempts > 0) {
        this.#enqueue(query);
      }
    }
  }

  onSent(query: PendingQuery, nowNs: number, retryIntervalNs: number): void {
    query.attempts++;
    query.againNs = nowNs + retryIntervalNs;
    query.isBusy = false;
    this.#nextLookNs = Math.min(this.#nextLookNs, query.againNs);
  }

  onBusy(query: PendingQuery, untilNs: number): void {
    query.againNs = untilNs;
    query.isBusy = true;
    this.#nextLookNs = Math.min(this.#nextLookNs, untilNs);
  }

  /**
   * Looks at all queries, when one may want it: makes those due that were sent long ago or were
   * refused a while ago, and calls `expire` with those that are past their deadline.
   */
  look(nowNs: number, expire: (query: PendingQuery) => void): void {
    if (nowNs < this.#nextLookNs) {
      return;
    }
    let nextNs = Number.POSITIVE_INFINITY;
    for (const query of this.#queries) {
      if (query.deadlineNs <= nowNs) {
        expire(query);
        continue;
      }
      nextNs = Math.min(nextNs, query.deadlineNs);
      if (query.attempts > 0 && !query.isDue) {
        if (query.againNs <= nowNs) {
          this.#enqueue(query);
        } else {
          nextNs = Math.min(nextNs, query.againNs);
        }
      }
    }
    this.#nextLookNs = nextNs;
  }

  /** The next query that is to be sent. */
  nextDue(): PendingQuery | undefined {
    for (;;) {
      const next = this.#due[this.#dueStart];
      if (next === undefined || next.isOpen) {
        return next;
      }
      this.shiftDue();
    }
  }

  /** The query that stands so many places behind the next one; it may have its outcome already. */
  dueAt(place: number): PendingQuery | undefined {
    return this.#due[this.#dueStart + place];
  }

  /** The next query has been sent, or is not to be. */
  shiftDue(): PendingQuery | undefined {
    const next = this.#due[this.#dueStart];
    if (next !== undefined) {
      next.isDue = false;
      this.#dueStart++;
      // What was sent is given up now and then, also where there is always more to send.
      if (2 * this.#dueStart >= this.#due.length) {
        this.#due = this.#due.slice(this.#dueStart);
        this.#dueStart = 0;
      }
    }
    return next;
  }

  #enqueue(query: PendingQuery): void {
    if (!query.isDue) {
      query.isDue = true;
      this.#due.push(query);
    }
  }
}

/**
 * Queries by their numbers, which ascend: nearly all of them are among the last few thousand, so
 * that each has its place in a ring. The few whose place is taken by an older one are in a map.
 */
class OpenQueries {
  #ring: (PendingQuery | undefined)[] = new Array(RING_LENGTH_MIN).fill(undefined);
  readonly #others = new Map<number, PendingQuery>();
  #newestId = 0;
  count = 0;

  get(queryId: number): PendingQuery | undefined {
    const query = this.#ring[queryId & (this.#ring.length - 1)];
    return query?.queryId === queryId ? query : this.#others.get(queryId);
  }

  /** Adds a query whose number is greater than all before. */
  add(query: PendingQuery): void {
    if (2 * this.count >= this.#ring.length) {
      this.#grow();
    }
    this.count++;
    this.#newestId = query.queryId;
    this.#place(query);
  }

  remove(query: PendingQuery): void {
    const place = query.queryId & (this.#ring.length - 1);
    this.count--;
    if (this.#ring[place] === query) {
      this.#ring[place] = undefined;
    } else {
      this.#others.delete(query.queryId);
    }
  }

  /** The oldest first, but for those in the map. They may be removed meanwhile. */
  *[Symbol.iterator](): Iterator<PendingQuery> {
    yield* this.#others.values();
    const ring = this.#ring;
    for (let index = 1; index <= ring.length; index++) {
      const query = ring[(this.#newestId + index) & (ring.length - 1)];
      if (query !== undefined) {
        yield query;
      }
    }
  }

  #place(query: PendingQuery): void {
    const place = query.queryId & (this.#ring.length - 1);
    if (this.#ring[place] === undefined) {
      this.#ring[place] = query;
    } else {
      this.#others.set(query.queryId, query);
    }
  }

  #grow(): void {
    const queries = [...this];
    this.#ring = new Array(2 * this.#ring.length).fill(undefined);
    this.#others.clear();
    for (const query of queries) {
      this.#place(query);
    }
  }
}
