// watched-query.ts: a query as a user's service sees it, and what became of it.

import {
  type ClientQuery,
  type ClientSession,
  EgressResult,
} from '../../service/clustered-service.js';

/** What a service did about a query. */
export interface QueryOutcome {
  readonly sessionId: number;
  /** The query, and the answer that was given; undefined for none. */
  readonly query: Uint8Array;
  readonly answer: Uint8Array | undefined;
  /** What onQuery threw, if it did. */
  readonly error: unknown;
}

/** Keeps the answer. */
export class WatchedQuery implements ClientQuery {
  readonly session: ClientSession;
  readonly #query: ClientQuery;
  answer: Uint8Array | undefined;

  constructor(query: ClientQuery, session: ClientSession) {
    this.#query = query;
    this.session = session;
  }

  get replyLengthMax(): number {
    return this.#query.replyLengthMax;
  }

  reply(buffer: ArrayBufferView, offset: number, length: number): number {
    const result = this.#query.reply(buffer, offset, length);
    if (result !== EgressResult.TooLong) {
      this.answer = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
    }
    return result;
  }
}
