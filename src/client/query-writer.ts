// query-writer.ts: queries on their way to a leader, many in one message.

import type { Arena } from '../memory/arena.js';
import { QueryEncoder } from '../protocol/codecs/query.js';
import { QueryBatchEncoder } from '../protocol/codecs/query-batch.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import { checkLength, type SpeakingSession } from './ingress-writer.js';

/** Header and block of a query that has a message of its own. */
export const QUERY_HEADER_LENGTH = QueryEncoder.LENGTH_MIN;
const BATCH_HEADER_LENGTH = QueryBatchEncoder.LENGTH_MIN;

/** A query that has a message of its own. */
export interface LongQuery {
  readonly queryId: number;
  /** Holds its body, from an offset on. */
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** Queries to send, in their order. */
export interface QuerySource {
  /**
   * Copies the records of as many queries as fit, and takes them.
   *
   * @returns bytes; 0 when there is none, or the first does not fit.
   */
  copyDue(target: Uint8Array, at: number, lengthMax: number): number;
  /** Takes the first query alone; undefined when there is none. */
  longDue(): LongQuery | undefined;
}

/** Writes queries of one session. */
export class QueryWriter {
  readonly #arena: Arena;
  readonly #session: SpeakingSession;
  /** Where a batch is written, or the header of a query alone. */
  readonly #address: number;
  readonly #areaLength: number;
  readonly #encoder = new QueryEncoder();
  readonly #batchEncoder = new QueryBatchEncoder();

  constructor(arena: Arena, session: SpeakingSession, mtuLength: number) {
    this.#arena = arena;
    this.#session = session;
    this.#areaLength = mtuLength;
    this.#address = arena.allocate(mtuLength);
  }

  /** Returns the memory. Nothing may be written after. */
  release(): void {
    this.#arena.release(this.#address, this.#areaLength);
  }

  /**
   * Sends the first queries of a source, as many as one frame holds, or the first alone in several.
   *
   * @returns whether those that were taken have been sent.
   * @throws PawlError MESSAGE_TOO_LONG.
   */
  offer(publication: ExclusivePublication, queries: QuerySource): boolean {
    const { u8, view } = this.#arena;
    const lengthMax = Math.min(publication.maxMessageLength, publication.maxPayloadLength);
    const records = this.#address + BATCH_HEADER_LENGTH;
    const length = queries.copyDue(u8, records, lengthMax - BATCH_HEADER_LENGTH);
    if (length === 0) {
      const first = queries.longDue();
      return first !== undefined && this.#offerLong(publication, first);
    }
    this.#batchEncoder
      .wrapAndApplyHeader(view, this.#address)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId);
    return publication.offerAt(this.#address, BATCH_HEADER_LENGTH + length) > 0;
  }

  /** Sends a query in a message of its own, in as many frames as it takes. */
  #offerLong(publication: ExclusivePublication, query: LongQuery): boolean {
    const { bytes, length, offset, queryId } = query;
    checkLength(length, publication.maxMessageLength - QUERY_HEADER_LENGTH);
    this.#encoder
      .wrapAndApplyHeader(this.#arena.view, this.#address)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId)
      .queryId(queryId);
    return publication.offer2(this.#address, QUERY_HEADER_LENGTH, bytes, offset, length) > 0;
  }
}
