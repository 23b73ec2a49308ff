// session-events.ts: encodes what members tell clients about sessions.

import type { Arena } from '../memory/arena.js';
import { AdminResponseEncoder } from '../protocol/codecs/admin-response.js';
import { ChallengeEncoder } from '../protocol/codecs/challenge.js';
import { NewLeaderEventEncoder } from '../protocol/codecs/new-leader-event.js';
import { SessionEventEncoder } from '../protocol/codecs/session-event.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import { SESSION_PROTOCOL_VERSION } from '../protocol/streams.js';
import type { ClusterConfig } from './cluster-config.js';

/** Longest detail text, bytes: an error or the members' ingress endpoints. */
export const DETAIL_LENGTH_MAX = 2048;
const SCRATCH_LENGTH = 4096;

/** Whom an event answers. */
export interface Correlation {
  readonly correlationIdHigh: number;
  readonly correlationIdLow: number;
}

/** Encodes into a scratch range of the arena. */
export class SessionEvents {
  /** Arena address of the last event encoded. */
  readonly address: number;
  readonly #arena: Arena;
  readonly #memberId: number;
  readonly #leaderTimeoutNs: number;
  readonly #sessionEvent = new SessionEventEncoder();
  readonly #newLeaderEvent = new NewLeaderEventEncoder();
  readonly #challenge = new ChallengeEncoder();
  readonly #adminResponse = new AdminResponseEncoder();

  constructor(arena: Arena, config: ClusterConfig) {
    this.#arena = arena;
    this.#memberId = config.member.memberId;
    this.#leaderTimeoutNs = config.consensus.leaderTimeoutNs;
    this.address = arena.allocate(SCRATCH_LENGTH);
  }

  /** Returns the length of the event. `leaderMemberId` defaults to this member. */
  sessionEvent(
    correlation: Correlation,
    clusterSessionId: number,
    leadershipTermId: number,
    code: number,
    detail: string,
    leaderMemberId = this.#memberId,
  ): number {
    return (
      MESSAGE_HEADER_LENGTH +
      this.#sessionEvent
        .wrapAndApplyHeader(this.#arena.view, this.address)
        .clusterSessionId(clusterSessionId)
        .correlationIdHigh(correlation.correlationIdHigh)
        .correlationIdLow(correlation.correlationIdLow)
        .leadershipTermId(leadershipTermId)
        .leaderMemberId(leaderMemberId)
        .code(code)
        .version(SESSION_PROTOCOL_VERSION)
        .leaderHeartbeatTimeoutNs(this.#leaderTimeoutNs)
        .putDetail(detail.slice(0, DETAIL_LENGTH_MAX))
        .encodedLength()
    );
  }

  /** Returns the length of the event. */
  newLeader(clusterSessionId: number, leadershipTermId: number, ingressEndpoints: string): number {
    return (
      MESSAGE_HEADER_LENGTH +
      this.#newLeaderEvent
        .wrapAndApplyHeader(this.#arena.view, this.address)
        .leadershipTermId(leadershipTermId)
        .clusterSessionId(clusterSessionId)
        .leaderMemberId(this.#memberId)
        .putIngressEndpoints(ingressEndpoints.slice(0, DETAIL_LENGTH_MAX))
        .encodedLength()
    );
  }

  /** @param handshakeId comes back with the answer. Returns the length of the message. */
  challenge(correlation: Correlation, handshakeId: number, encodedChallenge: Uint8Array): number {
    return (
      MESSAGE_HEADER_LENGTH +
      this.#challenge
        .wrapAndApplyHeader(this.#arena.view, this.address)
        .correlationIdHigh(correlation.correlationIdHigh)
        .correlationIdLow(correlation.correlationIdLow)
        .clusterSessionId(handshakeId)
        .putEncodedChallenge(encodedChallenge)
        .encodedLength()
    );
  }

  /** The answer to an order. Returns the length of the message. */
  adminResponse(
    clusterSessionId: number,
    correlation: Correlation,
    requestType: number,
    responseCode: number,
    message: string,
  ): number {
    return (
      MESSAGE_HEADER_LENGTH +
      this.#adminResponse
        .wrapAndApplyHeader(this.#arena.view, this.address)
        .clusterSessionId(clusterSessionId)
        .correlationIdHigh(correlation.correlationIdHigh)
        .correlationIdLow(correlation.correlationIdLow)
        .requestType(requestType)
        .responseCode(responseCode)
        .putMessage(message.slice(0, DETAIL_LENGTH_MAX))
        .putPayload('')
        .encodedLength()
    );
  }

  close(): void {
    this.#arena.release(this.address, SCRATCH_LENGTH);
  }
}
