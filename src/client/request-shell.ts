// request-shell.ts: requests as promises, for users who are not in a hurry of nanoseconds.
//
// The one place of this room with promises: everything below it is polled.

import {
  ADMIN_ACTION,
  BACK_PRESSURED,
  CLOSED,
  NOT_CONNECTED,
} from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { RequestClient, type RequestClientOptions } from './request-client.js';

/** An answer, copied out of shared memory. */
export interface Answer {
  readonly bytes: Uint8Array;
  /** The leader's time of the request, milliseconds since 1970. */
  readonly timestamp: number;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: PawlError): void;
}

const REASONS: ReadonlyMap<number, [ErrorCode, string]> = new Map([
  [NOT_CONNECTED, [ErrorCode.Timeout, 'no leader is connected now: try again in a moment']],
  [BACK_PRESSURED, [ErrorCode.LimitExceeded, 'too much is unanswered: wait for answers first']],
  [ADMIN_ACTION, [ErrorCode.LimitExceeded, 'the log buffer turns over: try again at once']],
  [CLOSED, [ErrorCode.SessionClosed, 'the session is closed: open a new one']],
]);

/** Turns requests into promises. Each ends: with the answer, or a PawlError by its deadline. */
export class RequestShell {
  readonly requests: RequestClient;
  readonly #waiting = new Map<number, Waiting>();
  readonly #nowNs: () => number;
  readonly #wake: () => void;

  constructor(nowNs: () => number, wake: () => void, options: RequestClientOptions = {}) {
    this.#nowNs = nowNs;
    this.#wake = wake;
    this.requests = new RequestClient(
      {
        onAnswer: (request, view, offset, length, timestamp) => {
          const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
          this.#take(request)?.resolve({ bytes, timestamp });
        },
        onUnknown: (request, reason) => this.#take(request)?.reject(reason),
      },
      options,
    );
  }

  /**
   * Sends a request.
   *
   * @returns the answer.
   * @throws PawlError OUTCOME_UNKNOWN when it was sent and not answered; LIMIT_EXCEEDED, TIMEOUT,
   *   SESSION_CLOSED or MESSAGE_TOO_LONG when it was not sent.
   */
  request(body: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const result = this.requests.request(body, this.#nowNs());
      if (result > 0) {
        this.#waiting.set(result, { resolve, reject });
        this.#wake();
        return;
      }
      const [code, reason] = REASONS.get(result) ?? [ErrorCode.Closed, `refused (${result})`];
      reject(new PawlError(code, `the request was not sent: ${reason}`, 'environment'));
    });
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    return waiting;
  }
}
