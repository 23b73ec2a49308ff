// pending-requests.ts: the requests of a client that have no outcome yet, and which are to be sent.

/** Ids of what is not to be sent any more that the queue holds before they are looked for. */
const STALE_COUNT_MIN = 64;

/** A request without an outcome. */
export interface SentRequest {
  readonly requestId: number;
  readonly body: Uint8Array;
  readonly deadlineNs: number;
  /** How often it was sent under `clientId`. */
  attempts: number;
  clientId: number;
  /** When it was sent last. */
  sentNs: number;
  /** Stands in the queue of what is to be sent. */
  isDue: boolean;
}

/** Bounded; in the order of ids, in which deadlines ascend. */
export class PendingRequests {
  readonly #windowMax: number;
  readonly #bytesMax: number;
  readonly #requests = new Map<number, SentRequest>();
  // Ids in the order of sending, so that a body is held by nothing but the table above. An id is
  // stale when its request is gone, or is not due any more.
  readonly #due: number[] = [];
  #dueStart = 0;
  /** Requests that are due. */
  #dueCount = 0;
  #bytes = 0;
  #nextId = 1;
  /** No request was sent before this and is unanswered, as of the last look at all of them. */
  #oldestSentNs = Number.POSITIVE_INFINITY;

  constructor(windowMax: number, bytesMax: number) {
    this.#windowMax = windowMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#requests.size;
  }

  get(requestId: number): SentRequest | undefined {
    return this.#requests.get(requestId);
  }

  values(): IterableIterator<SentRequest> {
    return this.#requests.values();
  }

  first(): SentRequest | undefined {
    for (const request of this.#requests.values()) {
      return request;
    }
    return undefined;
  }

  /** Id below which everything has its outcome. */
  lowestRequestId(): number {
    return this.first()?.requestId ?? this.#nextId;
  }

  deadlineNs(): number {
    return this.first()?.deadlineNs ?? Number.POSITIVE_INFINITY;
  }

  /** At or before the time at which the oldest unanswered request was sent. */
  oldestSentNs(): number {
    return this.#oldestSentNs;
  }

  /** A new request, due at once; undefined when a limit is reached. The body is copied. */
  add(body: Uint8Array, deadlineNs: number): SentRequest | undefined {
    const isFull = this.#nextId - this.lowestRequestId() >= this.#windowMax;
    if (isFull || (this.#bytes + body.length > this.#bytesMax && this.#bytes > 0)) {
      return undefined;
    }
    const request: SentRequest = {
      requestId: this.#nextId++,
      body: body.slice(),
      deadlineNs,
      attempts: 0,
      clientId: -1,
      sentNs: 0,
      isDue: false,
    };
    this.#requests.set(request.requestId, request);
    this.#bytes += body.length;
    this.#enqueue(request);
    return request;
  }

  /** It has its outcome, and is not sent any more. */
  remove(request: SentRequest): void {
    if (this.#requests.delete(request.requestId)) {
      this.#bytes -= request.body.length;
      this.#dequeue(request);
    }
  }

  /** It is as if it had never been sent. */
  restart(request: SentRequest): void {
    request.attempts = 0;
    this.#enqueue(request);
  }

  /** What was sent at or before a time is due again. */
  retry(sentUntilNs: number): void {
    if (this.#oldestSentNs > sentUntilNs) {
      return;
    }
    let oldestNs = Number.POSITIVE_INFINITY;
    for (const request of this.#requests.values()) {
      if (request.attempts > 0 && request.sentNs <= sentUntilNs) {
        this.#enqueue(request);
      } else if (request.attempts > 0) {
        oldestNs = Math.min(oldestNs, request.sentNs);
      }
    }
    this.#oldestSentNs = oldestNs;
  }

  /** The next request that is to be sent. */
  nextDue(): SentRequest | undefined {
    while (this.#dueStart < this.#due.length) {
      const next = this.#requests.get(this.#due[this.#dueStart] as number);
      if (next?.isDue === true) {
        return next;
      }
      this.#dueStart++;
    }
    return undefined;
  }

  /** It was sent, or passed over, at a time: it is not due before it is retried. */
  settle(request: SentRequest, sentNs: number): void {
    request.sentNs = sentNs;
    this.#oldestSentNs = Math.min(this.#oldestSentNs, sentNs);
    this.#dequeue(request);
  }

  #enqueue(request: SentRequest): void {
    if (!request.isDue) {
      request.isDue = true;
      this.#dueCount++;
      this.#due.push(request.requestId);
    }
  }

  #dequeue(request: SentRequest): void {
    if (!request.isDue) {
      return;
    }
    request.isDue = false;
    this.#dueCount--;
    // A queue that is never empty is cleared as well: when more than half of it is stale, so that
    // each id is moved once on average.
    const staleCount = this.#due.length - this.#dueCount;
    if (this.#dueCount === 0 || staleCount >= this.#dueCount + STALE_COUNT_MIN) {
      this.#compact();
    }
  }

  #compact(): void {
    let count = 0;
    for (let index = this.#dueStart; index < this.#due.length; index++) {
      const requestId = this.#due[index] as number;
      if (this.#requests.get(requestId)?.isDue === true) {
        this.#due[count++] = requestId;
      }
    }
    this.#due.length = count;
    this.#dueStart = 0;
  }
}
