// egress-answers.ts: answers to queries on their way to clients.
//
// Nothing waits for an answer but its client, who asks again: it is dropped where it would crowd
// out messages of the log. What follows each other to one client leaves in one message.

import { BACK_PRESSURED, DATA_HEADER_LENGTH, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { QueryCode } from '../protocol/codecs/enumerations.js';
import { QueryAnswerEncoder } from '../protocol/codecs/query-answer.js';
import { AnswerBatch } from './answer-batch.js';
import type { ClusterConfig } from './cluster-config.js';
import { type Connection, Greeting } from './egress-connection.js';
import { SESSION_HEADER_LENGTH } from './log-publisher.js';
import { egressMessageLengthMax } from './message-lengths.js';

const NO_BYTES = new Uint8Array(0);
/** Header and block of the answer to a query. */
const ANSWER_HEADER_LENGTH = QueryAnswerEncoder.LENGTH_MIN;
/** Answers to queries wait while this part of a client's buffer is free for messages of the log. */
const BUFFER_SHARE_OF_LOG = 0.5;

/** What answers need of egress. */
export interface AnswerOutlet {
  /** Undefined when nothing may leave for the session. */
  connectionOf(sessionId: number): Connection | undefined;
  /** A message waits for its client: a head in the arena, and a body. */
  enqueue(connection: Connection, head: number, headLength: number, body: Uint8Array): void;
}

/** Sends answers. */
export class EgressAnswers {
  readonly #arena: Arena;
  readonly #outlet: AnswerOutlet;
  readonly #batch: AnswerBatch;
  /** The header of an answer that is too long for a batch. */
  readonly #head: number;
  readonly #encoder = new QueryAnswerEncoder();
  /** Bytes of answers that may wait for a client. */
  readonly #queueLengthMax: number;
  leadershipTermId = -1;
  /** Answers that a client did not take; it asks again. */
  droppedCount = 0;

  constructor(arena: Arena, config: ClusterConfig, outlet: AnswerOutlet) {
    this.#arena = arena;
    this.#outlet = outlet;
    this.#queueLengthMax = Math.floor(BUFFER_SHARE_OF_LOG * config.egressBufferLengthMax);
    const datagramLength = config.member.mtuLength - DATA_HEADER_LENGTH;
    const messageLength = egressMessageLengthMax(config) + SESSION_HEADER_LENGTH;
    const lengthMax = Math.min(datagramLength, messageLength, this.#queueLengthMax);
    this.#batch = new AnswerBatch(arena, lengthMax);
    this.#head = arena.allocate(ANSWER_HEADER_LENGTH);
  }

  /** See EgressSink. It leaves with others: `send` sends them. */
  offer(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: QueryCode,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    const batch = this.#batch;
    if (!batch.fits(sessionId, logPosition, length)) {
      this.send();
    }
    if (batch.canHold(length)) {
      batch.add(sessionId, queryId, logPosition, code, buffer, offset, length);
    } else {
      this.#sendLong(sessionId, queryId, logPosition, code, buffer, offset, length);
    }
  }

  /** What was offered and has not left leaves now. */
  send(): void {
    const batch = this.#batch;
    const { count, length } = batch;
    if (count === 0) {
      return;
    }
    if (count > 1) {
      hit(Mark.ReadAnswersShareMessage);
    }
    const connection = this.#outlet.connectionOf(batch.sessionId);
    if (connection !== undefined) {
      batch.finish(this.leadershipTermId);
      this.#deliver(connection, batch.address, length, NO_BYTES, count);
    }
    batch.clear();
  }

  /** Nothing of what was offered leaves. */
  clear(): void {
    this.#batch.clear();
  }

  release(): void {
    this.#batch.release();
    this.#arena.release(this.#head, ANSWER_HEADER_LENGTH);
  }

  #sendLong(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: QueryCode,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    const connection = this.#outlet.connectionOf(sessionId);
    if (connection === undefined) {
      return;
    }
    hit(Mark.ReadAnswerLong);
    this.#encoder
      .wrapAndApplyHeader(this.#arena.view, this.#head)
      .leadershipTermId(this.leadershipTermId)
      .clusterSessionId(sessionId)
      .queryId(queryId)
      .logPosition(logPosition)
      .code(code);
    const body = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    this.#deliver(connection, this.#head, ANSWER_HEADER_LENGTH, body, 1);
  }

  #deliver(
    connection: Connection,
    head: number,
    headLength: number,
    body: Uint8Array,
    count: number,
  ): void {
    const { publication, queue } = connection;
    if (publication !== undefined && connection.greeting === Greeting.None && queue.isEmpty) {
      const result =
        body.length === 0
          ? publication.offerAt(head, headLength)
          : publication.offer2(head, headLength, body, 0, body.length);
      if (result !== BACK_PRESSURED && result !== NOT_CONNECTED) {
        return;
      }
    }
    if (queue.length + headLength + body.length > this.#queueLengthMax) {
      hit(Mark.ReadAnswerDropped);
      this.droppedCount += count;
      return;
    }
    this.#outlet.enqueue(connection, head, headLength, body);
  }
}
