// service-requests.ts: exactly-once requests, where they are applied.
//
// Every member sees every request of the log, retries included, and decides alike: execute it, or
// give the reply that it has got before. What leaves the leader is that reply, however often it is
// asked for.

import { assert } from '../assert.js';
import type { EgressReply, EgressSink } from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { ReplyHeaderEncoder } from '../protocol/codecs/reply-header.js';
import { RequestHeaderDecoder } from '../protocol/codecs/request-header.js';
import { SessionMessageHeaderEncoder } from '../protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';
import {
  type ClientRequest,
  type ClientSession,
  type ClusteredService,
  EgressResult,
} from './clustered-service.js';
import { ReplyCache, ReplyCode, type ReplyLimits } from './reply-cache.js';

const TWO_POW_32 = 2 ** 32;
const NO_BYTES = new Uint8Array(0);
/** A reply's header is longer than a session message's by this. */
const HEADER_DIFFERENCE =
  ReplyHeaderEncoder.BLOCK_LENGTH - SessionMessageHeaderEncoder.BLOCK_LENGTH;

/** A request in the log. */
export interface LoggedRequest {
  readonly clusterSessionId: number;
  readonly timestamp: number;
  readonly clientId: number;
  readonly requestId: number;
  readonly lowestUnansweredRequestId: number;
}

/** Executes requests once. */
export class ServiceRequests {
  readonly replies: ReplyCache;
  readonly #service: ClusteredService;
  readonly #header = new RequestHeaderDecoder();
  readonly #current = new CurrentRequest();
  #egress: EgressSink | undefined;
  /** Requests that were applied and not executed, because they were before. */
  repeatedCount = 0;

  constructor(service: ClusteredService, limits?: ReplyLimits) {
    this.#service = service;
    this.replies = new ReplyCache(limits);
  }

  start(egress: EgressSink): void {
    this.#egress = egress;
    this.#current.replyLengthMax = egress.messageLengthMax - HEADER_DIFFERENCE;
  }

  /** What the header of a request says, whose block lies within the message. */
  decode(view: DataView, offset: number): LoggedRequest {
    const header = this.#header.wrapAndApplyHeader(view, offset);
    return {
      clusterSessionId: header.clusterSessionId(),
      timestamp: header.timestamp(),
      clientId: header.clientIdHigh() * TWO_POW_32 + header.clientIdLow(),
      requestId: header.requestId(),
      lowestUnansweredRequestId: header.lowestUnansweredRequestId(),
    };
  }

  /**
   * Applies a request whose message starts at `offset`.
   *
   * @param owner whose client it is, if nothing is known of the client yet.
   * @param length of the message, header included. @param logPosition after it.
   */
  apply(
    session: ClientSession,
    owner: Uint8Array,
    request: LoggedRequest,
    view: DataView,
    offset: number,
    length: number,
    logPosition: Position,
  ): void {
    const { clientId, requestId, timestamp } = request;
    const asker = { principal: session.principal, owner };
    const verdict = this.replies.admit(request, asker, logPosition, timestamp);
    if (typeof verdict !== 'number') {
      hit(Mark.RequestAnsweredAgain);
      this.repeatedCount++;
      this.#send(session, verdict);
    } else if (verdict !== ReplyCode.Ok) {
      hit(Mark.RequestRefused);
      this.#send(session, { requestId, logPosition, timestamp, code: verdict, bytes: NO_BYTES });
    } else {
      const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
      const current = this.#current.begin(session, clientId, requestId);
      this.#service.onRequest?.(current, timestamp, view, offset + headLength, length - headLength);
      const bytes = current.end();
      const unanswered =
        this.#service.onRequest === undefined ? ReplyCode.NotServed : ReplyCode.Unanswered;
      const code = bytes === undefined ? unanswered : ReplyCode.Ok;
      const reply = { requestId, logPosition, timestamp, code, bytes: bytes ?? NO_BYTES };
      this.replies.put(clientId, reply);
      this.#send(session, reply);
    }
  }

  #send(session: ClientSession, reply: EgressReply): void {
    if (!session.isClosing) {
      this.#egress?.offerReply(session.id, reply);
    }
  }
}

/** The request that the service is handling. */
class CurrentRequest implements ClientRequest {
  replyLengthMax = 0;
  #session: ClientSession | undefined;
  #clientId = -1;
  #requestId = -1;
  #reply: Uint8Array | undefined;

  get session(): ClientSession {
    assert(this.#session !== undefined, 'a request is used during its callback only');
    return this.#session;
  }

  get clientId(): number {
    return this.#clientId;
  }

  get requestId(): number {
    return this.#requestId;
  }

  begin(session: ClientSession, clientId: number, requestId: number): this {
    this.#session = session;
    this.#clientId = clientId;
    this.#requestId = requestId;
    this.#reply = undefined;
    return this;
  }

  /** The callback is over. Returns the reply, if there is one. */
  end(): Uint8Array | undefined {
    this.#session = undefined;
    return this.#reply;
  }

  reply(buffer: ArrayBufferView, offset: number, length: number): number {
    if (this.#session === undefined || this.#reply !== undefined) {
      const when = this.#session === undefined ? 'after its callback has ended' : 'twice';
      throw new PawlError(
        ErrorCode.ServiceFailed,
        `request ${this.#requestId} of client ${this.#clientId} is answered ${when}: call reply ` +
          'once, inside onRequest',
      );
    }
    if (length > this.replyLengthMax) {
      return EgressResult.TooLong;
    }
    this.#reply = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
    return length;
  }
}
