// request-client.ts: requests and their outcomes, over a session.
//
// A session message has no receipt: what a client knows of it is the answer, if one comes. A
// request puts eight bytes of its own before the body, and a service that answers it puts them
// before the answer. Each request ends in exactly one outcome: the answer, or *unknown* by its
// deadline, because a message that was sent and not answered may be in the log or not. It is never
// sent twice.

import { BACK_PRESSURED, CLOSED } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { REQUEST_HEADER_LENGTH } from '../service/request.js';
import type { ClientHandlers, ClusterClient } from './cluster-client.js';

/** Requests that may be unanswered at a time, unless told otherwise. */
export const OUTSTANDING_COUNT_MAX = 4_096;
/** Time from which an unanswered request is unknown, unless told otherwise. */
export const REQUEST_TIMEOUT_NS = 5_000_000_000;
const TWO_POW_32 = 0x1_0000_0000;

export interface RequestClientOptions {
  readonly outstandingCountMax?: number;
  readonly requestTimeoutNs?: number;
  /** Longest body, bytes; the buffer for one request is kept. */
  readonly bodyLengthMax?: number;
}

/** Outcomes, called from the client's duty cycle. */
export interface RequestHandlers {
  /** The answer, without its header; the bytes are valid during the call. */
  onAnswer(
    request: number,
    view: DataView,
    offset: number,
    length: number,
    timestamp: number,
  ): void;
  /** It was sent and not answered in time, or the session ended: it may be in the log or not. */
  onUnknown(request: number, reason: PawlError): void;
}

/** Numbers requests, and sees to it that each has one outcome. */
export class RequestClient {
  readonly #handlers: RequestHandlers;
  readonly #timeoutNs: number;
  readonly #countMax: number;
  readonly #frame: Uint8Array;
  readonly #frameView: DataView;
  // Number of the request to its deadline, in the order of sending: deadlines ascend.
  readonly #outstanding = new Map<number, number>();
  #client: ClusterClient | undefined;
  /** The session has ended. */
  #isClosed = false;
  #next = 1;
  /** Answers that came after their request was reported as unknown. */
  lateCount = 0;

  constructor(handlers: RequestHandlers, options: RequestClientOptions = {}) {
    this.#handlers = handlers;
    this.#timeoutNs = options.requestTimeoutNs ?? REQUEST_TIMEOUT_NS;
    this.#countMax = options.outstandingCountMax ?? OUTSTANDING_COUNT_MAX;
    this.#frame = new Uint8Array(REQUEST_HEADER_LENGTH + (options.bodyLengthMax ?? 64 * 1024));
    this.#frameView = new DataView(this.#frame.buffer);
  }

  /** Requests without an outcome. */
  get outstandingCount(): number {
    return this.#outstanding.size;
  }

  /** The client whose session carries the requests. */
  bind(client: ClusterClient): void {
    this.#client = client;
    this.#isClosed = false;
  }

  /** What the session's client is to be given as its handlers. */
  clientHandlers(others: Partial<ClientHandlers> = {}): ClientHandlers {
    return {
      ...others,
      onMessage: (view, offset, length, timestamp) =>
        this.#onMessage(view, offset, length, timestamp),
      onClosed: (error) => {
        this.#endAll(error);
        others.onClosed?.(error);
      },
    };
  }

  /**
   * Sends a request.
   *
   * @returns its number (positive), or NOT_CONNECTED, BACK_PRESSURED (also when as many as allowed
   *   are unanswered), ADMIN_ACTION or CLOSED: then it was not sent, and may be tried again.
   * @throws PawlError MESSAGE_TOO_LONG.
   */
  request(body: Uint8Array, nowNs: number): number {
    const client = this.#client;
    assert(client !== undefined, 'a request client is bound to a session');
    if (REQUEST_HEADER_LENGTH + body.length > this.#frame.length) {
      throw new PawlError(
        ErrorCode.MessageTooLong,
        `the request has ${body.length} bytes: at most ` +
          `${this.#frame.length - REQUEST_HEADER_LENGTH} fit; split it, or raise bodyLengthMax`,
      );
    }
    if (this.#isClosed) {
      return CLOSED;
    }
    if (this.#outstanding.size >= this.#countMax) {
      return BACK_PRESSURED;
    }
    const request = this.#next;
    this.#frameView.setUint32(0, request % TWO_POW_32, true);
    this.#frameView.setUint32(4, Math.floor(request / TWO_POW_32), true);
    this.#frame.set(body, REQUEST_HEADER_LENGTH);
    const result = client.offer(this.#frame, 0, REQUEST_HEADER_LENGTH + body.length);
    if (result < 0) {
      return result;
    }
    this.#next++;
    this.#outstanding.set(request, nowNs + this.#timeoutNs);
    return request;
  }

  /** Reports what has become unknown. Returns how many. */
  doWork(nowNs: number): number {
    let work = 0;
    for (const [request, deadlineNs] of this.#outstanding) {
      if (deadlineNs > nowNs) {
        break;
      }
      this.#outstanding.delete(request);
      this.#handlers.onUnknown(request, this.#unknown('no answer came in time'));
      work++;
    }
    return work;
  }

  /** When the oldest unanswered request becomes unknown. */
  deadlineNs(): number {
    for (const deadlineNs of this.#outstanding.values()) {
      return deadlineNs;
    }
    return Number.POSITIVE_INFINITY;
  }

  #onMessage(view: DataView, offset: number, length: number, timestamp: number): void {
    if (length < REQUEST_HEADER_LENGTH) {
      return;
    }
    const request = view.getUint32(offset + 4, true) * TWO_POW_32 + view.getUint32(offset, true);
    if (!this.#outstanding.delete(request)) {
      this.lateCount++;
      return;
    }
    this.#handlers.onAnswer(
      request,
      view,
      offset + REQUEST_HEADER_LENGTH,
      length - REQUEST_HEADER_LENGTH,
      timestamp,
    );
  }

  #endAll(error: PawlError | undefined): void {
    const reason = this.#unknown(error?.message ?? 'the session was closed by its owner');
    for (const request of this.#outstanding.keys()) {
      this.#handlers.onUnknown(request, reason);
    }
    this.#outstanding.clear();
    this.#isClosed = true;
  }

  #unknown(why: string): PawlError {
    return new PawlError(
      ErrorCode.OutcomeUnknown,
      `the outcome is unknown: ${why}. The request may have been applied or not; it is not sent ` +
        'again: ask the service for its state, or make the request such that twice is as once',
      'environment',
    );
  }
}
