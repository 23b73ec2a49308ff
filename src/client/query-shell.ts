// query-shell.ts: queries as promises.

import { CLOSED } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { QueryClient, type QueryOptions } from './query-client.js';

const NS_PER_MS = 1_000_000;
/** A deadline is at most this far away: a day. */
const DEADLINE_MAX_MS = 24 * 3_600_000;

/** The answer to a query, copied out of shared memory. */
export interface QueryAnswer {
  readonly bytes: Uint8Array;
  /**
   * Log position of the state that was read: it holds everything that was committed when the query
   * reached the leader.
   */
  readonly logPosition: number;
}

/** How one query is asked. */
export interface QueryRequestOptions {
  /** Milliseconds from now until the promise ends in any case; `queryTimeoutNs` when not given. */
  readonly deadlineMs?: number;
}

interface Waiting {
  resolve(answer: QueryAnswer): void;
  reject(error: unknown): void;
}

/** Turns queries into promises. Each ends: with the answer, or a PawlError by its deadline. */
export class QueryShell {
  readonly queries: QueryClient;
  readonly #waiting = new Map<number, Waiting>();
  readonly #nowNs: () => number;
  readonly #wake: () => void;

  constructor(nowNs: () => number, wake: () => void, options: QueryOptions = {}) {
    this.#nowNs = nowNs;
    this.#wake = wake;
    this.queries = new QueryClient(
      {
        onAnswer: ({ logPosition, queryId }, view, offset, length) => {
          const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
          this.#take(queryId)?.resolve({ bytes, logPosition });
        },
        onFailed: (queryId, reason) => this.#take(queryId)?.reject(reason),
      },
      options,
    );
  }

  /**
   * Reads from the service's state, linearizably and without the log.
   *
   * @throws PawlError TIMEOUT, LIMIT_EXCEEDED, REQUEST_REFUSED, CLOSED, SESSION_CLOSED,
   *   MESSAGE_TOO_LONG or ARGUMENT_OUT_OF_RANGE.
   */
  query(body: Uint8Array, options: QueryRequestOptions = {}): Promise<QueryAnswer> {
    return new Promise((resolve, reject) => {
      const { deadlineMs } = options;
      if (deadlineMs !== undefined && !(deadlineMs > 0 && deadlineMs <= DEADLINE_MAX_MS)) {
        throw new PawlError(
          ErrorCode.ArgumentOutOfRange,
          `deadlineMs is ${deadlineMs}: use milliseconds from now, above 0 and at most ` +
            `${DEADLINE_MAX_MS}`,
        );
      }
      const timeoutNs = deadlineMs === undefined ? undefined : deadlineMs * NS_PER_MS;
      const queryId = this.queries.query(body, this.#nowNs(), timeoutNs);
      if (queryId > 0) {
        this.#waiting.set(queryId, { resolve, reject });
        this.#wake();
        return;
      }
      throw queryId === CLOSED
        ? new PawlError(ErrorCode.Closed, 'the query was not sent: the client is closed')
        : new PawlError(
            ErrorCode.LimitExceeded,
            'the query was not sent: too many are without an answer; wait for answers first, or ' +
              'raise queryCountMax or queryBytesMax',
          );
    });
  }

  /** Nothing that is waited for comes any more, and nothing more is asked. */
  fail(error: unknown): void {
    for (const waiting of this.#waiting.values()) {
      waiting.reject(error);
    }
    this.#waiting.clear();
    this.queries.close(new PawlError(ErrorCode.Closed, 'the client has failed'));
  }

  #take(queryId: number): Waiting | undefined {
    const waiting = this.#waiting.get(queryId);
    this.#waiting.delete(queryId);
    return waiting;
  }
}
