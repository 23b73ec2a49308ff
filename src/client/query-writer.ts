// query-writer.ts: queries on their way to a leader, many in one message.

import type { Arena } from '../memory/arena.js';
import { QueryEncoder } from '../protocol/codecs/query.js';
import { QueryBatchEncoder } from '../protocol/codecs/query-batch.js';
import {
  clearRecordPadding,
  RECORD_HEADER_LENGTH,
  recordLength,
  writeRecordHeader,
} from '../protocol/query-records.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import { checkLength, type SpeakingSession } from './ingress-writer.js';

/** Header and block of a query that has a message of its own. */
export const QUERY_HEADER_LENGTH = QueryEncoder.LENGTH_MIN;
const BATCH_HEADER_LENGTH = QueryBatchEncoder.LENGTH_MIN;

/** A query to send. */
export interface SentQuery {
  readonly queryId: number;
  readonly body: Uint8Array;
  /** Of the body, bytes. */
  readonly length: number;
  /** Is still wanted: others are passed over. */
  readonly isOpen: boolean;
}

/** Queries to send, in their order. */
export interface QuerySource {
  /** The query so many places behind the first; undefined behind the last. */
  dueAt(place: number): SentQuery | undefined;
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
   * @returns how many places of the source are done with; 0 when nothing could be sent.
   * @throws PawlError MESSAGE_TOO_LONG.
   */
  offer(publication: ExclusivePublication, queries: QuerySource): number {
    const lengthMax = Math.min(publication.maxMessageLength, publication.maxPayloadLength);
    let length = BATCH_HEADER_LENGTH;
    let count = 0;
    for (let query = queries.dueAt(0); query !== undefined; query = queries.dueAt(++count)) {
      if (query.isOpen) {
        const end = length + recordLength(query.length);
        if (end > lengthMax) {
          break;
        }
        this.#write(this.#address + length, query);
        length = end;
      }
    }
    if (length === BATCH_HEADER_LENGTH) {
      const first = queries.dueAt(count);
      return first !== undefined && this.#offerLong(publication, first) > 0 ? count + 1 : count;
    }
    this.#batchEncoder
      .wrapAndApplyHeader(this.#arena.view, this.#address)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId);
    return publication.offerAt(this.#address, length) > 0 ? count : 0;
  }

  #write(at: number, { body, length, queryId }: SentQuery): void {
    const { u8, view } = this.#arena;
    writeRecordHeader(view, at, queryId, length, 0);
    u8.set(body, at + RECORD_HEADER_LENGTH);
    clearRecordPadding(view, at, length);
  }

  /** One query in a message of its own, in as many frames as it takes. */
  #offerLong(publication: ExclusivePublication, { body, queryId }: SentQuery): number {
    checkLength(body.length, publication.maxMessageLength - QUERY_HEADER_LENGTH);
    this.#encoder
      .wrapAndApplyHeader(this.#arena.view, this.#address)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId)
      .queryId(queryId);
    return publication.offer2(this.#address, QUERY_HEADER_LENGTH, body, 0, body.length);
  }
}
