// service-queries.ts: queries, which read a service's state and leave no trace in it.
//
// Only the leader answers them, so nothing that a query does may reach the state: what a service
// could do with it in a log event is refused here as in every local callback. A query that throws
// ends itself alone: it would otherwise end one leader after the other.

import { assert, InvariantError } from '../assert.js';
import type { EgressSink } from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';
import { QueryCode } from '../protocol/codecs/enumerations.js';
import { QueryAnswerEncoder } from '../protocol/codecs/query-answer.js';
import { SessionMessageHeaderEncoder } from '../protocol/codecs/session-message-header.js';
import {
  type ClientQuery,
  type ClientSession,
  type ClusteredService,
  EgressResult,
} from './clustered-service.js';

const NO_BYTES = new Uint8Array(0);
/** An answer's header is longer than a session message's by this. */
const HEADER_DIFFERENCE =
  QueryAnswerEncoder.BLOCK_LENGTH - SessionMessageHeaderEncoder.BLOCK_LENGTH;
/** Bytes of an error's text that its client is told. */
const ERROR_TEXT_LENGTH_MAX = 512;

/** Runs queries. */
export class ServiceQueries {
  readonly #service: ClusteredService;
  readonly #encoder = new TextEncoder();
  #egress: EgressSink | undefined;
  #current: CurrentQuery | undefined;
  /** Queries in which the service threw. */
  failedCount = 0;

  constructor(service: ClusteredService) {
    this.#service = service;
  }

  start(egress: EgressSink): void {
    this.#egress = egress;
    this.#current = new CurrentQuery(egress, egress.messageLengthMax - HEADER_DIFFERENCE);
  }

  /** Has the service answer a query from its state, which is that of `position`. */
  run(
    session: ClientSession,
    queryId: number,
    position: Position,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    const current = this.#current as CurrentQuery;
    if (this.#service.onQuery === undefined) {
      this.#refuse(session, queryId, position, QueryCode.NotServed, NO_BYTES);
      return;
    }
    current.begin(session, queryId, position);
    try {
      this.#service.onQuery(current, view, offset, length);
    } catch (error) {
      current.end();
      this.#onError(error, session, queryId, position, current.isAnswered);
      return;
    }
    current.end();
    if (!current.isAnswered) {
      this.#refuse(session, queryId, position, QueryCode.Unanswered, NO_BYTES);
    }
  }

  #onError(
    error: unknown,
    session: ClientSession,
    queryId: number,
    position: Position,
    isAnswered: boolean,
  ): void {
    if (error instanceof InvariantError) {
      throw error;
    }
    this.failedCount++;
    if (!isAnswered) {
      const text = this.#encoder.encode(String(error)).subarray(0, ERROR_TEXT_LENGTH_MAX);
      this.#refuse(session, queryId, position, QueryCode.Failed, text);
    }
  }

  #refuse(
    session: ClientSession,
    queryId: number,
    position: Position,
    code: QueryCode,
    bytes: Uint8Array,
  ): void {
    this.#egress?.offerAnswer(session.id, queryId, position, code, bytes, 0, bytes.length);
  }
}

/** The query that the service is handling. */
class CurrentQuery implements ClientQuery {
  readonly replyLengthMax: number;
  readonly #egress: EgressSink;
  #session: ClientSession | undefined;
  #queryId = -1;
  #position: Position = 0;
  isAnswered = false;

  constructor(egress: EgressSink, replyLengthMax: number) {
    this.#egress = egress;
    this.replyLengthMax = replyLengthMax;
  }

  get session(): ClientSession {
    assert(this.#session !== undefined, 'a query is used during its callback only');
    return this.#session;
  }

  begin(session: ClientSession, queryId: number, position: Position): void {
    this.#session = session;
    this.#queryId = queryId;
    this.#position = position;
    this.isAnswered = false;
  }

  end(): void {
    this.#session = undefined;
  }

  reply(buffer: ArrayBufferView, offset: number, length: number): number {
    const session = this.#session;
    if (session === undefined || this.isAnswered) {
      const when = session === undefined ? 'after its callback has ended' : 'twice';
      throw new PawlError(
        ErrorCode.ServiceFailed,
        `a query is answered ${when}: call reply once, inside onQuery`,
      );
    }
    if (length > this.replyLengthMax) {
      return EgressResult.TooLong;
    }
    this.isAnswered = true;
    const { Ok } = QueryCode;
    const position = this.#position;
    this.#egress.offerAnswer(session.id, this.#queryId, position, Ok, buffer, offset, length);
    return length;
  }
}
