// query-ingress.ts: queries on their way from a client's stream to those who answer them.
//
// They come in crowds, many in one message and one frame behind the other, mostly of one session: a
// message is taken in one go, and a session is looked up once for a crowd.

import { DATA_FLAGS_UNFRAGMENTED, FRAME_TYPE_DATA } from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { SessionTableState } from '../memory/core.js';
import type { Position } from '../position.js';
import { QueryDecoder } from '../protocol/codecs/query.js';
import { QueryBatchDecoder } from '../protocol/codecs/query-batch.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import { countRecords, NO_RECORDS } from '../protocol/query-records.js';
import type { Image } from '../transport/image.js';
import type { LeaderReads } from './leader-reads.js';

const FRAME_HEADER_LENGTH = 32;
const FLAGS_OFFSET = 5;
const TYPE_OFFSET = 6;
const ALIGNMENT_MASK = 31;
const NO_SESSION = -1;

/** Where a run of queries ended. */
export interface QueryRun {
  /** Queries that were taken. */
  readonly count: number;
  /** Position behind the last one. */
  readonly end: Position;
}

/** Checks queries and hands them on. */
export class QueryIngress {
  readonly #arena: Arena;
  readonly #sessions: { readonly table: number };
  readonly #reads: LeaderReads;
  readonly #decoder = new QueryDecoder();
  readonly #batchDecoder = new QueryBatchDecoder();
  #leadershipTermId = -1;
  #timestamp = 0;
  /** The session of the last query of this turn, which is open. */
  #openSessionId = NO_SESSION;
  /** Queries of another term or of no open session, or not understood; dropped. */
  rejectedCount = 0;

  /** @param sessions where the table of sessions is now. */
  constructor(arena: Arena, sessions: { readonly table: number }, reads: LeaderReads) {
    this.#arena = arena;
    this.#sessions = sessions;
    this.#reads = reads;
  }

  /** A turn of the leader begins. @param timestamp log time, milliseconds. */
  beginTurn(leadershipTermId: number, timestamp: number): void {
    this.#leadershipTermId = leadershipTermId;
    this.#timestamp = timestamp;
    this.#openSessionId = NO_SESSION;
  }

  /**
   * Takes the queries that stand one behind the other from a frame on, each message whole in its
   * frame.
   *
   * @param frame address of the first frame, whose position is `from`.
   * @param countMax queries after which no further message is taken.
   */
  take(image: Image, frame: number, from: Position, countMax: number): QueryRun {
    const { view } = this.#arena;
    const { rebuildPosition, termLength } = image;
    const limit = Math.min(rebuildPosition, from - (from % termLength) + termLength);
    let count = 0;
    let end = from;
    for (let at = frame; count < countMax && end < limit; ) {
      const length = view.getInt32(at, true);
      const alignedLength = (length + ALIGNMENT_MASK) & ~ALIGNMENT_MASK;
      const templateId = end + alignedLength > limit ? 0 : templateOf(view, at, length);
      if (templateId === TemplateId.QueryBatch) {
        count += this.onBatch(view, at + FRAME_HEADER_LENGTH, length - FRAME_HEADER_LENGTH);
      } else if (templateId === TemplateId.Query) {
        this.onQuery(view, at + FRAME_HEADER_LENGTH, length - FRAME_HEADER_LENGTH);
        count++;
      } else {
        break;
      }
      at += alignedLength;
      end += alignedLength;
    }
    return { count, end };
  }

  /** One whole message with a query. */
  onQuery(view: DataView, offset: number, length: number): void {
    const isValid = QueryDecoder.isValid(view, offset, length);
    const query = this.#decoder.wrapAndApplyHeader(view, offset);
    const sessionId = isValid ? this.#sessionOf(query) : NO_SESSION;
    if (sessionId === NO_SESSION || !Number.isSafeInteger(query.queryId())) {
      this.#reject();
      return;
    }
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    const bodyLength = length - headLength;
    this.#reads.onQuery(sessionId, query.queryId(), view, offset + headLength, bodyLength);
  }

  /** One whole message with many. Returns how many; 1 for what is rejected as a whole. */
  onBatch(view: DataView, offset: number, length: number): number {
    if (!QueryBatchDecoder.isValid(view, offset, length)) {
      this.#reject();
      return 1;
    }
    const sessionId = this.#sessionOf(this.#batchDecoder.wrapAndApplyHeader(view, offset));
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    const records = offset + headLength;
    const count = countRecords(view, records, length - headLength);
    if (sessionId === NO_SESSION || count === NO_RECORDS) {
      this.#reject();
      return 1;
    }
    this.#reads.onQueries(sessionId, count, view, records, length - headLength);
    return count;
  }

  #reject(): void {
    hit(Mark.ReadRejected);
    this.rejectedCount++;
  }

  /** The open session that a message of this term names. */
  #sessionOf(message: QueryDecoder | QueryBatchDecoder): number {
    const sessionId = message.clusterSessionId();
    if (message.leadershipTermId() !== this.#leadershipTermId) {
      return NO_SESSION;
    }
    if (sessionId === this.#openSessionId) {
      return sessionId;
    }
    const { core } = this.#arena;
    if (
      !Number.isSafeInteger(sessionId) ||
      core.sessionState(this.#sessions.table, sessionId) !== SessionTableState.Open
    ) {
      return NO_SESSION;
    }
    core.sessionTouch(this.#sessions.table, sessionId, this.#timestamp);
    this.#openSessionId = sessionId;
    return sessionId;
  }
}

/** Template of the whole message that a frame holds; negative when it holds none. */
function templateOf(view: DataView, frame: number, length: number): number {
  const isWhole =
    length > FRAME_HEADER_LENGTH &&
    view.getUint8(frame + FLAGS_OFFSET) === DATA_FLAGS_UNFRAGMENTED &&
    view.getUint16(frame + TYPE_OFFSET, true) === FRAME_TYPE_DATA;
  const start = frame + FRAME_HEADER_LENGTH;
  return isWhole ? messageTemplateId(view, start, length - FRAME_HEADER_LENGTH) : -1;
}
