// pending-requests.ts: the requests of a client that have no outcome yet, and which are to be sent.

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
  #due: SentRequest[] = [];
  #dueStart = 0;
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

  remove(request: SentRequest): void {
    if (this.#requests.delete(request.requestId)) {
      this.#bytes -= request.body.length;
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
    for (;;) {
      const next = this.#due[this.#dueStart];
      if (next === undefined || this.#requests.has(next.requestId)) {
        return next;
      }
      this.#advance(next);
    }
  }

  /** The next request has been sent, or is not to be. */
  shiftDue(): void {
    const next = this.#due[this.#dueStart];
    if (next !== undefined) {
      this.#advance(next);
      this.#oldestSentNs = Math.min(this.#oldestSentNs, next.sentNs);
    }
  }

  #advance(request: SentRequest): void {
    request.isDue = false;
    this.#dueStart++;
    if (this.#dueStart === this.#due.length) {
      this.#due = [];
      this.#dueStart = 0;
    }
  }

  #enqueue(request: SentRequest): void {
    if (!request.isDue) {
      request.isDue = true;
      this.#due.push(request);
    }
  }
}
