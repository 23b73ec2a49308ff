// query-ingress.ts: queries on their way from a client's stream to those who answer them.
//
// They come in crowds, one frame behind the other, mostly of one session: a crowd is taken in one
// go, and a session is looked up once for it.

import { DATA_FLAGS_UNFRAGMENTED, FRAME_TYPE_DATA } from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { SessionTableState } from '../memory/core.js';
import type { Position } from '../position.js';
import { QueryDecoder } from '../protocol/codecs/query.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import type { Image } from '../transport/image.js';
import type { LeaderReads } from './leader-reads.js';

const FRAME_HEADER_LENGTH = 32;
const FLAGS_OFFSET = 5;
const TYPE_OFFSET = 6;
const ALIGNMENT_MASK = 31;
const NO_SESSION = -1;

/** Where a run of queries ended. */
export interface QueryRun {
  /** Frames that were taken. */
  readonly count: number;
  /** Position behind the last one. */
  readonly end: Position;
}

/** Checks queries and hands them on. */
export class QueryIngress {
  readonly #arena: Arena;
  readonly #table: number;
  readonly #reads: LeaderReads;
  readonly #decoder = new QueryDecoder();
  #leadershipTermId = -1;
  #timestamp = 0;
  /** The session of the last query of this turn, which is open. */
  #openSessionId = NO_SESSION;
  /** Queries of another term or of no open session, or not understood; dropped. */
  rejectedCount = 0;

  /** @param table address of the table of sessions. */
  constructor(arena: Arena, table: number, reads: LeaderReads) {
    this.#arena = arena;
    this.#table = table;
    this.#reads = reads;
  }

  /** A turn of the leader begins. @param timestamp log time, milliseconds. */
  beginTurn(leadershipTermId: number, timestamp: number): void {
    this.#leadershipTermId = leadershipTermId;
    this.#timestamp = timestamp;
    this.#openSessionId = NO_SESSION;
  }

  /**
   * Takes the queries that stand one behind the other from a frame on, each whole in its frame.
   *
   * @param frame address of the first frame, whose position is `from`.
   */
  take(image: Image, frame: number, from: Position, countMax: number): QueryRun {
    const { view } = this.#arena;
    const { rebuildPosition, termLength } = image;
    const limit = Math.min(rebuildPosition, from - (from % termLength) + termLength);
    let count = 0;
    let end = from;
    for (let at = frame; count < countMax && end < limit; count++) {
      const length = view.getInt32(at, true);
      const alignedLength = (length + ALIGNMENT_MASK) & ~ALIGNMENT_MASK;
      if (end + alignedLength > limit || !isQuery(view, at, length)) {
        break;
      }
      this.onQuery(view, at + FRAME_HEADER_LENGTH, length - FRAME_HEADER_LENGTH);
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
    if (sessionId === NO_SESSION) {
      hit(Mark.ReadRejected);
      this.rejectedCount++;
      return;
    }
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    const bodyLength = length - headLength;
    this.#reads.onQuery(sessionId, query.queryId(), view, offset + headLength, bodyLength);
  }

  /** The open session that a query of this term names. */
  #sessionOf(query: QueryDecoder): number {
    const sessionId = query.clusterSessionId();
    if (
      query.leadershipTermId() !== this.#leadershipTermId ||
      !Number.isSafeInteger(query.queryId())
    ) {
      return NO_SESSION;
    }
    if (sessionId === this.#openSessionId) {
      return sessionId;
    }
    const { core } = this.#arena;
    if (
      !Number.isSafeInteger(sessionId) ||
      core.sessionState(this.#table, sessionId) !== SessionTableState.Open
    ) {
      return NO_SESSION;
    }
    core.sessionTouch(this.#table, sessionId, this.#timestamp);
    this.#openSessionId = sessionId;
    return sessionId;
  }
}

function isQuery(view: DataView, frame: number, length: number): boolean {
  return (
    length > FRAME_HEADER_LENGTH &&
    view.getUint8(frame + FLAGS_OFFSET) === DATA_FLAGS_UNFRAGMENTED &&
    view.getUint16(frame + TYPE_OFFSET, true) === FRAME_TYPE_DATA &&
    messageTemplateId(view, frame + FRAME_HEADER_LENGTH, length - FRAME_HEADER_LENGTH) ===
      TemplateId.Query
  );
}
