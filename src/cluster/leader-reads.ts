// leader-reads.ts: queries, which a leader answers from its service's state without the log.
//
// An answer has to hold at some time between its query and itself. For that (1) everything that was
// committed when the query arrived has to be in the state, and (2) no other leader may have
// committed anything by then. So a query waits for a round of read probes that began after it had
// arrived, and for the service to reach the commit position at which the round began. All that
// arrives while a round is under way waits for the next one: rounds do not grow in number with
// queries. Nothing of it is replicated, and whatever a leader cannot answer its client asks again.

import type { Election } from '../consensus/election.js';
import { NO_ROUND } from '../consensus/read-rounds.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { QueryCode } from '../protocol/codecs/enumerations.js';
import {
  RECORD_HEADER_LENGTH,
  recordBodyLength,
  recordLength,
  recordQueryId,
} from '../protocol/query-records.js';
import { type QueryLimits, QueryQueue } from './query-queue.js';
import type { EgressSink, ServiceHost } from './service-host.js';

/** Queries that one duty cycle answers at most, so that heartbeats leave in between. */
export const QUERIES_PER_TURN_MAX = 1_024;
/**
 * Answers that take a leader about as long as a round takes: with so many left, a round that begins
 * is confirmed by the time that they are written.
 */
const ANSWERS_PER_ROUND_TRIP = 1_024;
const NO_BYTES = new DataView(new ArrayBuffer(0));

/** What of an election reads rely on. */
export type ReadElection = Pick<Election, 'commitPosition' | 'reads'>;

/** The queries of one leader. */
export class LeaderReads {
  readonly #service: ServiceHost;
  readonly #egress: EgressSink;
  /** In the order of arrival: those to answer now, those of the round, those that wait for one. */
  readonly #queue: QueryQueue;
  /** Queries of the queue whose round is confirmed and whose position is reached. */
  #answerable = 0;
  /** Queries after those whose round is confirmed, and the position that they wait for. */
  #confirmedCount = 0;
  #confirmedPosition: Position = 0;
  /** Queries after those that wait for the round under way, and the position at its beginning. */
  #roundCount = 0;
  #roundPosition: Position = 0;
  #round = NO_ROUND;
  /** Queries that were answered, by the service or for want of one. */
  answeredCount = 0;
  /** Queries that were refused because too many waited. */
  refusedCount = 0;
  /** Queries that waited when the leader ceased to lead. */
  droppedCount = 0;

  constructor(service: ServiceHost, egress: EgressSink, limits: QueryLimits) {
    this.#service = service;
    this.#egress = egress;
    this.#queue = new QueryQueue(limits);
  }

  /** Queries that wait, and their bytes. */
  get queue(): QueryQueue {
    return this.#queue;
  }

  /** Whether another duty cycle finds something to answer at once. */
  get hasMore(): boolean {
    return this.#answerable > 0;
  }

  /** A client's query; the bytes are copied. */
  onQuery(sessionId: number, queryId: number, view: DataView, offset: number, length: number) {
    if (!this.#queue.push(sessionId, queryId, view, offset, length)) {
      hit(Mark.ReadRefusedBusy);
      this.refusedCount++;
      const position = this.#service.position;
      this.#egress.offerAnswer(sessionId, queryId, position, QueryCode.Busy, NO_BYTES, 0, 0);
    }
  }

  /** Queries of one session, whose records were counted; the bytes are copied. */
  onQueries(sessionId: number, count: number, view: DataView, offset: number, length: number) {
    if (count > 1) {
      hit(Mark.ReadsShareMessage);
    }
    if (this.#queue.pushRecords(sessionId, count, view, offset, length)) {
      return;
    }
    hit(Mark.ReadsPartlyRefused);
    // As many as there is room for, and the rest is refused.
    for (let at = offset; at < offset + length; at += recordLength(recordBodyLength(view, at))) {
      const bodyLength = recordBodyLength(view, at);
      const queryId = recordQueryId(view, at);
      this.onQuery(sessionId, queryId, view, at + RECORD_HEADER_LENGTH, bodyLength);
    }
  }

  /**
   * Begins a round for what has arrived, unless one is under way. Returns whether it did: what it
   * asks should leave before the queries of the last round are answered.
   */
  begin(election: ReadElection, nowNs: number): boolean {
    const waiting = this.#queue.count - this.#answerable - this.#confirmedCount - this.#roundCount;
    // While there is enough to answer, the more arrive, the more share the next round.
    if (this.#round !== NO_ROUND || waiting === 0 || this.#answerable > ANSWERS_PER_ROUND_TRIP) {
      return false;
    }
    this.#roundPosition = election.commitPosition();
    this.#round = election.reads.begin(nowNs);
    this.#roundCount = this.#round === NO_ROUND ? 0 : waiting;
    return this.#roundCount > 0;
  }

  /** Takes in what a round has confirmed and the service has reached: it may be answered. */
  advance(election: ReadElection): void {
    this.#takeRound(election);
    if (this.#confirmedCount > 0) {
      if (this.#service.position >= this.#confirmedPosition) {
        this.#answerable += this.#confirmedCount;
        this.#confirmedCount = 0;
      } else {
        hit(Mark.ReadWaitsForService);
      }
    }
  }

  /** Answers what may be answered; call it when the service has consumed. Returns how many. */
  answer(): number {
    return this.#answer(Math.min(this.#answerable, QUERIES_PER_TURN_MAX));
  }

  /** This member leads no more, or takes no ingress: clients ask the next leader. */
  endTerm(): void {
    if (this.#queue.count > 0) {
      hit(Mark.ReadsDroppedWithTerm);
      this.droppedCount += this.#queue.count;
    }
    this.#queue.clear();
    this.#answerable = 0;
    this.#confirmedCount = 0;
    this.#roundCount = 0;
    this.#round = NO_ROUND;
  }

  /**
   * Queries whose round is confirmed wait for the service in one batch: were others added, their
   * later position would hold up those that came first.
   */
  #takeRound(election: ReadElection): void {
    const isConfirmed = this.#round !== NO_ROUND && election.reads.confirmed >= this.#round;
    if (!isConfirmed || this.#confirmedCount > 0) {
      return;
    }
    this.#confirmedCount = this.#roundCount;
    this.#confirmedPosition = this.#roundPosition;
    this.#roundCount = 0;
    this.#round = NO_ROUND;
  }

  #answer(count: number): number {
    const queue = this.#queue;
    for (let index = 0; index < count; index++) {
      const { sessionId, queryId, view, bodyOffset, bodyLength } = queue;
      this.#answerable--;
      this.#service.query(sessionId, queryId, view, bodyOffset, bodyLength);
      queue.shift();
    }
    this.answeredCount += count;
    return count;
  }
}
