// ingress-writer.ts: what a client says to a leader, encoded and sent.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { AdminRequestEncoder } from '../protocol/codecs/admin-request.js';
import { ChallengeResponseEncoder } from '../protocol/codecs/challenge-response.js';
import type { AdminRequestType } from '../protocol/codecs/enumerations.js';
import { RequestHeaderEncoder } from '../protocol/codecs/request-header.js';
import { SessionCloseRequestEncoder } from '../protocol/codecs/session-close-request.js';
import { SessionConnectRequestEncoder } from '../protocol/codecs/session-connect-request.js';
import { SessionKeepAliveEncoder } from '../protocol/codecs/session-keep-alive.js';
import { SessionMessageHeaderEncoder } from '../protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import { SESSION_PROTOCOL_VERSION } from '../protocol/streams.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';

/** Header and block of a session message. */
export const SESSION_HEADER_LENGTH = 32;
/** Header and block of a request. */
export const REQUEST_MESSAGE_HEADER_LENGTH = RequestHeaderEncoder.LENGTH_MIN;
const SCRATCH_LENGTH = 4096;
const TWO_POW_32 = 2 ** 32;

/** What a request says of itself beside its body. */
export interface RequestNumbers {
  /** The id of the client's first session. */
  readonly clientId: number;
  readonly requestId: number;
  /** Replies below this are not waited for any more. */
  readonly lowestUnansweredRequestId: number;
}

/** What a client asks for a session with. */
export interface SessionRequest {
  readonly correlationId: bigint;
  readonly responseStreamId: number;
  /** Where it receives. */
  readonly localEndpoint: string;
  readonly encodedCredentials: Uint8Array;
}

/** Which session is speaking, and in which term. */
export interface SpeakingSession {
  readonly leadershipTermId: number;
  readonly clusterSessionId: number;
}

/** Writes to publications of one session. Each function returns what the publication answers. */
export class IngressWriter {
  readonly #transport: Transport;
  readonly #session: SpeakingSession;
  readonly #scratch: number;
  // A session header, and behind it room for a message that fits one frame.
  readonly #head: number;
  readonly #headLength: number;
  // Term that the header at #head was encoded for. A session's id is set before its first term.
  #headTermId = -1;
  readonly #messageEncoder = new SessionMessageHeaderEncoder();
  readonly #requestEncoder = new RequestHeaderEncoder();

  constructor(transport: Transport, session: SpeakingSession, mtuLength: number) {
    this.#transport = transport;
    this.#session = session;
    this.#scratch = transport.arena.allocate(SCRATCH_LENGTH);
    this.#headLength = SESSION_HEADER_LENGTH + mtuLength;
    this.#head = transport.arena.allocate(this.#headLength);
  }

  /** Returns the memory. Nothing may be written after. */
  release(): void {
    this.#transport.arena.release(this.#scratch, SCRATCH_LENGTH);
    this.#transport.arena.release(this.#head, this.#headLength);
  }

  /** @throws PawlError MESSAGE_TOO_LONG. */
  message(
    publication: ExclusivePublication,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    checkLength(length, publication.maxMessageLength - SESSION_HEADER_LENGTH);
    if (this.#headTermId !== this.#session.leadershipTermId) {
      this.#encodeHead();
    }
    const head = this.#head;
    if (SESSION_HEADER_LENGTH + length > publication.maxPayloadLength) {
      return publication.offer2(head, SESSION_HEADER_LENGTH, buffer, offset, length);
    }
    assert(offset >= 0 && length >= 0 && offset + length <= buffer.length, 'bytes to send exist');
    const isWhole = offset === 0 && length === buffer.length;
    const bytes = isWhole ? buffer : buffer.subarray(offset, offset + length);
    this.#transport.arena.u8.set(bytes, head + SESSION_HEADER_LENGTH);
    return publication.offerAt(head, SESSION_HEADER_LENGTH + length);
  }

  /** @throws PawlError MESSAGE_TOO_LONG. */
  request(publication: ExclusivePublication, numbers: RequestNumbers, body: Uint8Array): number {
    checkLength(body.length, publication.maxMessageLength - REQUEST_MESSAGE_HEADER_LENGTH);
    this.#requestEncoder
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId)
      .clientIdLow(numbers.clientId % TWO_POW_32)
      .clientIdHigh(Math.floor(numbers.clientId / TWO_POW_32))
      .requestId(numbers.requestId)
      .lowestUnansweredRequestId(numbers.lowestUnansweredRequestId);
    const headLength = REQUEST_MESSAGE_HEADER_LENGTH;
    return publication.offer2(this.#scratch, headLength, body, 0, body.length);
  }

  connect(publication: ExclusivePublication, request: SessionRequest): number {
    const encoder = new SessionConnectRequestEncoder()
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .correlationId(request.correlationId)
      .responseStreamId(request.responseStreamId)
      .version(SESSION_PROTOCOL_VERSION)
      .putResponseChannel(`aeron:udp?endpoint=${request.localEndpoint}`)
      .putEncodedCredentials(request.encodedCredentials)
      .putClientInfo('name=pawl');
    return publication.offerAt(this.#scratch, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  challengeResponse(
    publication: ExclusivePublication,
    correlationId: bigint,
    handshakeId: number,
    encodedCredentials: Uint8Array,
  ): number {
    const encoder = new ChallengeResponseEncoder()
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .correlationId(correlationId)
      .clusterSessionId(handshakeId)
      .putEncodedCredentials(encodedCredentials);
    return publication.offerAt(this.#scratch, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  adminRequest(
    publication: ExclusivePublication,
    correlationId: number,
    requestType: AdminRequestType,
  ): number {
    const encoder = new AdminRequestEncoder()
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId)
      .correlationIdLow(correlationId % TWO_POW_32)
      .correlationIdHigh(Math.floor(correlationId / TWO_POW_32))
      .requestType(requestType)
      .putPayload('');
    return publication.offerAt(this.#scratch, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  keepAlive(publication: ExclusivePublication): number {
    const encoder = new SessionKeepAliveEncoder()
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId);
    return publication.offerAt(this.#scratch, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  close(publication: ExclusivePublication): number {
    const encoder = new SessionCloseRequestEncoder()
      .wrapAndApplyHeader(this.#transport.arena.view, this.#scratch)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId);
    return publication.offerAt(this.#scratch, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  /** The header of every message of a session in a term. */
  #encodeHead(): void {
    this.#headTermId = this.#session.leadershipTermId;
    this.#messageEncoder
      .wrapAndApplyHeader(this.#transport.arena.view, this.#head)
      .leadershipTermId(this.#session.leadershipTermId)
      .clusterSessionId(this.#session.clusterSessionId);
  }
}

export function checkLength(length: number, lengthMax: number): void {
  if (length > lengthMax) {
    throw new PawlError(
      ErrorCode.MessageTooLong,
      `the message has ${length} bytes: at most ${lengthMax} fit; ` +
        'split it, or raise ingressTermLength',
    );
  }
}
