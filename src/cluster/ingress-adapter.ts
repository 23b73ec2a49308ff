// ingress-adapter.ts: what clients send, on its way into the log.
//
// Whole session messages go from image to log inside core.wasm, in batches. What is left to
// TypeScript is rare: connects, closes, keep-alives, and messages longer than a datagram. A member
// that does not lead answers connects with a redirect and drops the rest, counted.
//
// The log's room goes to the clients in line. When it is too little for the next message of one,
// those behind it append nothing in that turn, however short their messages are. The next turn
// begins with that client again until it has had its share, and then with the one behind it. What
// needs no room, as queries do, waits for nobody.

import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import {
  INGRESS_AREA_LENGTH,
  INGRESS_END_OFFSET,
  INGRESS_FRAME_ADDRESS_OFFSET,
  INGRESS_FRAME_LENGTH_OFFSET,
  INGRESS_REJECTED_OFFSET,
  INGRESS_STOP_OFFSET,
  IngressStop,
  SessionTableState,
} from '../memory/core.js';
import type { Position } from '../position.js';
import { RequestHeaderDecoder } from '../protocol/codecs/request-header.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import type { Image } from '../transport/image.js';
import type { LogPublication } from '../transport/log-publication.js';
import type { Subscription } from '../transport/subscription.js';
import type { ClientOrders, Redirect } from './client-orders.js';
import type { LeaderSessions } from './leader-sessions.js';
import type { LogPublisher } from './log-publisher.js';
import { MessageAssembler } from './message-assembler.js';
import type { QueryIngress } from './query-ingress.js';

/** Messages that one image may bring in one duty cycle, so that none starves another. */
const FRAME_LIMIT = 1_024;
/** Bytes that the first in line may bring before the next is first, while the log has no room. */
const SHARE_LENGTH = 16 * 1024;
const FRAME_HEADER_LENGTH = 32;
const FLAGS_OFFSET = 5;
const ALIGNMENT_MASK = 31;
/** A leader's term, as ingress needs it. */
export interface IngressTerm {
  readonly leadershipTermId: number;
  readonly publication: LogPublication;
}

export interface IngressParts {
  readonly arena: Arena;
  readonly subscription: Subscription;
  readonly sessions: LeaderSessions;
  readonly log: LogPublisher;
  readonly queries: QueryIngress;
  /** What is neither a message nor a query. */
  readonly orders: ClientOrders;
  readonly messageLengthMax: number;
}

/** State of one client's stream. */
interface Source {
  readonly assembler: MessageAssembler;
  /**
   * A whole message that the log had no room for. Nothing more is taken from the image before it.
   */
  stalled: Uint8Array | undefined;
}

/** Moves ingress into the log. */
export class IngressAdapter {
  readonly #arena: Arena;
  readonly #subscription: Subscription;
  readonly #sessions: LeaderSessions;
  readonly #log: LogPublisher;
  readonly #parts: IngressParts;
  readonly #messageLengthMax: number;
  readonly #area: number;
  readonly #sources = new Map<Image, Source>();
  readonly #message = new SessionMessageHeaderDecoder();
  readonly #request = new RequestHeaderDecoder();
  #term: IngressTerm | undefined;
  #redirect: Redirect | undefined;
  #timestamp = 0;
  #nowNs = 0;
  #isStalled = false;
  // Where the next turn begins: with this image, or with what took its place when it has ended.
  #nextPlace = 0;
  #nextImage: Image | undefined;
  /** Bytes that it has brought since it is the first in line. */
  #nextLength = 0;
  /** Whether the log has had room for everything so far in this turn. */
  #hasRoom = true;
  /** Bytes that the image that is polled has brought into the log in this turn. */
  #length = 0;
  /** Messages of unknown sessions or other terms, or not understood; dropped. */
  rejectedCount = 0;
  /** Whether the last poll stopped at its limit of frames. */
  hasMore = false;
  /** Duty cycles in which the log had no room for a message. */
  backPressureCount = 0;

  constructor(parts: IngressParts) {
    const { arena, log, messageLengthMax, sessions, subscription } = parts;
    this.#parts = parts;
    this.#arena = arena;
    this.#subscription = subscription;
    this.#sessions = sessions;
    this.#log = log;
    this.#messageLengthMax = messageLengthMax;
    this.#area = arena.allocate(INGRESS_AREA_LENGTH);
  }

  close(): void {
    this.#arena.release(this.#area, INGRESS_AREA_LENGTH);
  }

  /** A client's stream ended. */
  onUnavailableImage(image: Image): void {
    this.#sources.delete(image);
    if (this.#nextImage === image) {
      this.#nextImage = undefined;
    }
  }

  /** Takes ingress as the leader. Returns frames handled. */
  pollAsLeader(term: IngressTerm, timestamp: number, nowNs: number): number {
    this.hasMore = false;
    this.#term = term;
    this.#parts.queries.beginTurn(term.leadershipTermId, timestamp);
    this.#timestamp = timestamp;
    this.#nowNs = nowNs;
    const work = this.#pollInLine(term);
    if (work > 0) {
      term.publication.flushNeeded();
    }
    this.#term = undefined;
    return work;
  }

  /** Answers connects with a redirect (undefined: no leader is known) and drops the rest. */
  pollAsFollower(redirect: Redirect | undefined, nowNs: number): number {
    this.#redirect = redirect;
    this.#nowNs = nowNs;
    return this.#subscription.poll(this.#onFollowerFragment, FRAME_LIMIT);
  }

  /** Polls all images, and sees who is the first in the next turn. */
  #pollInLine(term: IngressTerm): number {
    const { images } = this.#subscription;
    const count = images.length;
    if (count === 0) {
      return 0;
    }
    const known = this.#nextImage === undefined ? -1 : images.indexOf(this.#nextImage);
    const first = (known >= 0 ? known : this.#nextPlace) % count;
    const lengthBefore = known >= 0 ? this.#nextLength : 0;
    let next = first + 1;
    let work = 0;
    this.#hasRoom = true;
    this.#nextLength = 0;
    for (let index = 0; index < count; index++) {
      const place = (first + index) % count;
      const hadRoom = this.#hasRoom;
      this.#length = index === 0 ? lengthBefore : 0;
      work += this.#pollImage(images[place] as Image, term);
      if (hadRoom && !this.#hasRoom) {
        const hasHadShare = this.#length >= SHARE_LENGTH;
        next = hasHadShare ? place + 1 : place;
        this.#nextLength = hasHadShare ? 0 : this.#length;
      }
    }
    this.#nextPlace = next % count;
    this.#nextImage = images[this.#nextPlace];
    return work;
  }

  #pollImage(image: Image, term: IngressTerm): number {
    const { core, f64, i32 } = this.#arena;
    const source = this.#sourceOf(image);
    if (source.stalled !== undefined && !this.#appendStalled(source)) {
      return 0;
    }
    let work = 0;
    // A stream without news costs no call: most clients are silent in most turns.
    for (let frames = 0; frames < FRAME_LIMIT && image.position < image.rebuildPosition; ) {
      const count = core.ingressBatch(
        image.meta,
        image.position,
        image.rebuildPosition,
        this.#sessions.table,
        term.publication.meta,
        term.leadershipTermId,
        this.#timestamp,
        FRAME_LIMIT - frames,
        this.#hasRoom ? 1 : 0,
        this.#area,
      );
      const rejected = i32[(this.#area + INGRESS_REJECTED_OFFSET) >> 2] as number;
      const stop = i32[(this.#area + INGRESS_STOP_OFFSET) >> 2] as number;
      const end = f64[(this.#area + INGRESS_END_OFFSET) >> 3] as number;
      this.rejectedCount += rejected;
      this.#length += count > 0 ? end - image.position : 0;
      work += count + rejected;
      frames += count + rejected + 1;
      image.advance(end);
      if (stop === IngressStop.BackPressured) {
        hit(Mark.IngressBackPressured);
        this.#hasRoom = false;
        this.backPressureCount++;
      }
      if (stop === IngressStop.FrameLimit || frames >= FRAME_LIMIT) {
        hit(Mark.IngressFrameLimit);
        this.hasMore = true;
      }
      if (stop !== IngressStop.Control) {
        break;
      }
      const taken = this.#takeControlFrames(image, source, end, FRAME_LIMIT - frames + 1);
      if (taken === 0) {
        break;
      }
      work += taken;
      frames += taken - 1;
      this.hasMore ||= frames >= FRAME_LIMIT;
    }
    return work;
  }

  /**
   * A frame that the batch left to us, or some with queries. Returns how many messages or queries
   * were taken; 0 when it has to be taken again later.
   */
  #takeControlFrames(image: Image, source: Source, end: number, countMax: number): number {
    const { i32, view } = this.#arena;
    const frame = i32[(this.#area + INGRESS_FRAME_ADDRESS_OFFSET) >> 2] as number;
    const run = this.#parts.queries.take(image, frame, end, countMax);
    if (run.count > 0) {
      image.advance(run.end);
      return run.count;
    }
    const length = i32[(this.#area + INGRESS_FRAME_LENGTH_OFFSET) >> 2] as number;
    const after = end + ((length + ALIGNMENT_MASK) & ~ALIGNMENT_MASK);
    this.#isStalled = false;
    const { assembler } = source;
    const tooLongBefore = assembler.tooLongCount;
    assembler.onFragment(
      view,
      frame + FRAME_HEADER_LENGTH,
      length - FRAME_HEADER_LENGTH,
      view.getUint8(frame + FLAGS_OFFSET),
      after,
    );
    this.rejectedCount += assembler.tooLongCount - tooLongBefore;
    image.advance(after);
    return this.#isStalled ? 0 : 1;
  }

  #sourceOf(image: Image): Source {
    const known = this.#sources.get(image);
    if (known !== undefined) {
      return known;
    }
    const source: Source = {
      assembler: new MessageAssembler((view, offset, length) => {
        this.#onLeaderMessage(source, view, offset, length);
      }, this.#messageLengthMax),
      stalled: undefined,
    };
    this.#sources.set(image, source);
    return source;
  }

  #onLeaderMessage(source: Source, view: DataView, offset: number, length: number): void {
    if (!this.#handle(view, offset, length)) {
      hit(Mark.IngressStalledMessage);
      // Taken again, in order, before anything else of this client.
      source.stalled = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
      this.#isStalled = true;
      this.#hasRoom = false;
      this.backPressureCount++;
    }
  }

  #appendStalled(source: Source): boolean {
    const bytes = source.stalled as Uint8Array;
    if (!this.#handle(new DataView(bytes.buffer), 0, bytes.length)) {
      this.#hasRoom = false;
      return false;
    }
    source.stalled = undefined;
    return true;
  }

  /** One whole message. False when the log has no room for what it asks. */
  #handle(view: DataView, offset: number, length: number): boolean {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.SessionMessageHeader:
        return this.#onLongMessage(view, offset, length);
      case TemplateId.RequestHeader:
        return this.#onRequest(view, offset, length);
      case TemplateId.Query:
        this.#parts.queries.onQuery(view, offset, length);
        return true;
      case TemplateId.QueryBatch:
        this.#parts.queries.onBatch(view, offset, length);
        return true;
      default:
        return this.#onOrder(view, offset, length);
    }
  }

  #onOrder(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length);
    const { leadershipTermId } = this.#term as IngressTerm;
    const hearing = { leadershipTermId, timestamp: this.#timestamp, nowNs: this.#nowNs };
    const result = this.#parts.orders.onMessage(templateId, view, offset, length, hearing);
    this.rejectedCount += result === 'rejected' ? 1 : 0;
    return result !== 'back-pressured';
  }

  #onLongMessage(view: DataView, offset: number, length: number): boolean {
    const term = this.#term as IngressTerm;
    const isValid = SessionMessageHeaderDecoder.isValid(view, offset, length);
    const header = this.#message.wrapAndApplyHeader(view, offset);
    const sessionId = isValid ? header.clusterSessionId() : -1;
    const isOpen =
      isValid &&
      header.leadershipTermId() === term.leadershipTermId &&
      Number.isSafeInteger(sessionId) &&
      this.#arena.core.sessionState(this.#sessions.table, sessionId) === SessionTableState.Open;
    const headLength = isValid ? MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset) : 0;
    if (!isOpen || length - headLength > this.#messageLengthMax) {
      hit(Mark.IngressLongMessageRejected);
      this.rejectedCount++;
      return true;
    }
    const body = new Uint8Array(
      view.buffer,
      view.byteOffset + offset + headLength,
      length - headLength,
    );
    this.#arena.core.sessionTouch(this.#sessions.table, sessionId, this.#timestamp);
    const { leadershipTermId } = term;
    return (
      this.#hasRoom &&
      this.#isAppended(
        this.#log.appendMessage(leadershipTermId, sessionId, this.#timestamp, body),
        length,
      )
    );
  }

  /** Whether an append found room: where it ended, and what it is counted as. */
  #isAppended(end: Position, length: number): boolean {
    this.#length += end >= 0 ? length : 0;
    return end >= 0;
  }

  /** An exactly-once request. Which it is, and whether it was there before, is judged at apply. */
  #onRequest(view: DataView, offset: number, length: number): boolean {
    const term = this.#term as IngressTerm;
    const sessionId = this.#sessionOfRequest(view, offset, length, term.leadershipTermId);
    if (sessionId < 0 || length > this.#messageLengthMax) {
      hit(Mark.IngressRequestRejected);
      this.rejectedCount++;
      return true;
    }
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    this.#arena.core.sessionTouch(this.#sessions.table, sessionId, this.#timestamp);
    return (
      this.#hasRoom && this.#isAppended(this.#log.appendRequest(this.#timestamp, bytes), length)
    );
  }

  /** The open session that a request of this term names; -1 when there is none. */
  #sessionOfRequest(view: DataView, offset: number, length: number, termId: number): number {
    if (!RequestHeaderDecoder.isValid(view, offset, length)) {
      return -1;
    }
    const header = this.#request.wrapAndApplyHeader(view, offset);
    const sessionId = header.clusterSessionId();
    const isOpen =
      header.leadershipTermId() === termId &&
      Number.isSafeInteger(sessionId) &&
      Number.isSafeInteger(header.requestId()) &&
      Number.isSafeInteger(header.lowestUnansweredRequestId()) &&
      this.#arena.core.sessionState(this.#sessions.table, sessionId) === SessionTableState.Open;
    return isOpen ? sessionId : -1;
  }

  readonly #onFollowerFragment = (view: DataView, offset: number, length: number): void => {
    const templateId = messageTemplateId(view, offset, length);
    const redirect = this.#redirect;
    const nowNs = this.#nowNs;
    const { orders } = this.#parts;
    const result = orders.onMessageToFollower(templateId, view, offset, length, redirect, nowNs);
    if (result === 'rejected') {
      hit(Mark.IngressNotLeaderDropped);
      this.rejectedCount++;
    }
  };
}
