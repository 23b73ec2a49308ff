// log-publisher.ts: appends the leader's events to the log.
//
// Messages of clients go through the ingress batch; this class appends what the leader itself has
// to say (a term begins, a session opens or closes), and the rare messages that the batch leaves
// to TypeScript, such as those that are longer than a datagram.

import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { ClusterActionRequestEncoder } from '../protocol/codecs/cluster-action-request.js';
import type { ClusterAction } from '../protocol/codecs/enumerations.js';
import { NewLeadershipTermEventEncoder } from '../protocol/codecs/new-leadership-term-event.js';
import { RequestHeaderEncoder } from '../protocol/codecs/request-header.js';
import { ServiceMessageHeaderEncoder } from '../protocol/codecs/service-message-header.js';
import { ServiceTimerEventEncoder } from '../protocol/codecs/service-timer-event.js';
import { SessionCloseEventEncoder } from '../protocol/codecs/session-close-event.js';
import { SessionMessageHeaderEncoder } from '../protocol/codecs/session-message-header.js';
import { SessionOpenEventEncoder } from '../protocol/codecs/session-open-event.js';
import { TimerEventEncoder } from '../protocol/codecs/timer-event.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import type { ServiceMessage } from './service-host.js';

/** Longest response channel plus principal of a session, bytes. */
export const SESSION_DETAIL_LENGTH_MAX = 8 * 1024;
const EVENT_LENGTH_MAX = 256 + SESSION_DETAIL_LENGTH_MAX;
/** Header and block of a session message. */
export const SESSION_HEADER_LENGTH = 32;
/** Header and block of a service's message. */
export const SERVICE_MESSAGE_HEADER_LENGTH =
  MESSAGE_HEADER_LENGTH + ServiceMessageHeaderEncoder.BLOCK_LENGTH;
const MILLIS = 0;
const TWO_POW_32 = 2 ** 32;
/** The shortest padding frame: a header. */
const PADDING_LENGTH = 32;

/** What a session is opened with. */
export interface SessionDetails {
  readonly correlationIdHigh: number;
  readonly correlationIdLow: number;
  readonly responseStreamId: number;
  readonly responseChannel: string;
  readonly encodedPrincipal: Uint8Array;
}

/**
 * Appends events. Each method returns the log position after the event, or a negative result code.
 */
export class LogPublisher {
  readonly #arena: Arena;
  readonly #scratch: number;
  readonly #scratchLength: number;
  readonly #termEvent = new NewLeadershipTermEventEncoder();
  readonly #openEvent = new SessionOpenEventEncoder();
  readonly #closeEvent = new SessionCloseEventEncoder();
  readonly #messageHeader = new SessionMessageHeaderEncoder();
  readonly #actionRequest = new ClusterActionRequestEncoder();
  readonly #requestHeader = new RequestHeaderEncoder();
  readonly #timerEvent = new TimerEventEncoder();
  readonly #serviceTimer = new ServiceTimerEventEncoder();
  readonly #serviceMessage = new ServiceMessageHeaderEncoder();
  #meta = 0;

  constructor(arena: Arena, messageLengthMax: number) {
    this.#arena = arena;
    this.#scratchLength = Math.max(EVENT_LENGTH_MAX, messageLengthMax);
    this.#scratch = arena.allocate(this.#scratchLength);
  }

  /** The leader's log is open: its buffer's metadata address. 0 closes. */
  setLog(meta: number): void {
    this.#meta = meta;
  }

  /**
   * Log position at which the next event will be appended, unless the term buffer rotates before.
   */
  tail(): Position {
    return this.#arena.core.logTail(this.#meta);
  }

  close(): void {
    this.#arena.release(this.#scratch, this.#scratchLength);
  }

  appendNewLeadershipTerm(
    leadershipTermId: number,
    termBaseLogPosition: Position,
    leaderMemberId: number,
    logSessionId: number,
    timestamp: number,
  ): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#termEvent
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .logPosition(termBaseLogPosition)
        .timestamp(timestamp)
        .termBaseLogPosition(termBaseLogPosition)
        .leaderMemberId(leaderMemberId)
        .logSessionId(logSessionId)
        .timeUnit(MILLIS)
        .appVersion(0)
        .encodedLength();
    return this.#append(length);
  }

  /** The session's id is the log position before the event: unique without a counter. */
  appendSessionOpen(
    leadershipTermId: number,
    clusterSessionId: number,
    timestamp: number,
    details: SessionDetails,
  ): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#openEvent
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .correlationIdHigh(details.correlationIdHigh)
        .correlationIdLow(details.correlationIdLow)
        .clusterSessionId(clusterSessionId)
        .timestamp(timestamp)
        .responseStreamId(details.responseStreamId)
        .putResponseChannel(details.responseChannel)
        .putEncodedPrincipal(details.encodedPrincipal)
        .encodedLength();
    return this.#append(length);
  }

  appendSessionClose(
    leadershipTermId: number,
    clusterSessionId: number,
    timestamp: number,
    closeReason: number,
  ): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#closeEvent
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .clusterSessionId(clusterSessionId)
        .timestamp(timestamp)
        .closeReason(closeReason)
        .encodedLength();
    return this.#append(length);
  }

  /** A timer of service 0 is due. The correlation id is a safe integer. */
  appendTimer(leadershipTermId: number, correlationId: number, timestamp: number): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#timerEvent
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .correlationIdLow(correlationId >>> 0)
        .correlationIdHigh(Math.floor(correlationId / TWO_POW_32) >>> 0)
        .timestamp(timestamp)
        .encodedLength();
    return this.#append(length);
  }

  /** A timer of another service is due: the event of Aeron has no place for its id. */
  appendServiceTimer(
    leadershipTermId: number,
    serviceId: number,
    correlationId: number,
    timestamp: number,
  ): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#serviceTimer
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .correlationIdLow(correlationId >>> 0)
        .correlationIdHigh(Math.floor(correlationId / TWO_POW_32) >>> 0)
        .timestamp(timestamp)
        .serviceId(serviceId)
        .encodedLength();
    return this.#append(length);
  }

  /** A service's message, which comes to all services. */
  appendServiceMessage(
    leadershipTermId: number,
    timestamp: number,
    message: ServiceMessage,
  ): Position {
    const { bytes, ordinal, originPosition, sequence, serviceId } = message;
    this.#serviceMessage
      .wrapAndApplyHeader(this.#arena.view, this.#scratch)
      .leadershipTermId(leadershipTermId)
      .timestamp(timestamp)
      .originPosition(originPosition)
      .sequence(sequence)
      .serviceId(serviceId)
      .ordinal(ordinal);
    this.#arena.u8.set(bytes, this.#scratch + SERVICE_MESSAGE_HEADER_LENGTH);
    return this.#append(SERVICE_MESSAGE_HEADER_LENGTH + bytes.length);
  }

  /** An order to the cluster: a snapshot is to be taken at the end of this event, for one. */
  appendClusterAction(
    leadershipTermId: number,
    timestamp: number,
    action: ClusterAction,
  ): Position {
    const length =
      MESSAGE_HEADER_LENGTH +
      this.#actionRequest
        .wrapAndApplyHeader(this.#arena.view, this.#scratch)
        .leadershipTermId(leadershipTermId)
        .logPosition(this.tail())
        .timestamp(timestamp)
        .action(action)
        .encodedLength();
    return this.#append(length);
  }

  /** A client's whole message, without the header it came with. */
  appendMessage(
    leadershipTermId: number,
    clusterSessionId: number,
    timestamp: number,
    body: Uint8Array,
  ): Position {
    this.#messageHeader
      .wrapAndApplyHeader(this.#arena.view, this.#scratch)
      .leadershipTermId(leadershipTermId)
      .clusterSessionId(clusterSessionId)
      .timestamp(timestamp);
    this.#arena.u8.set(body, this.#scratch + SESSION_HEADER_LENGTH);
    return this.#append(SESSION_HEADER_LENGTH + body.length);
  }

  /** A client's request of this term, header included, stamped with the time. */
  appendRequest(timestamp: number, message: Uint8Array): Position {
    this.#arena.u8.set(message, this.#scratch);
    const block = this.#scratch + MESSAGE_HEADER_LENGTH;
    this.#requestHeader.wrap(this.#arena.view, block).timestamp(timestamp);
    return this.#append(message.length);
  }

  /** Appends what no service sees, so that an idle log moves on. */
  appendPadding(): Position {
    return this.#arena.core.appendPadding(this.#meta, PADDING_LENGTH);
  }

  #append(length: number): Position {
    return this.#arena.core.append(this.#meta, this.#scratch, length);
  }
}
