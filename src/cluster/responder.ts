// responder.ts: answers to clients that have no session: a redirect, a challenge, or why they were
// refused.
//
// An answer waits for its client's subscription to connect, for a bounded time and in bounded
// number; what does not fit is dropped, because the client asks again.

import { hit, Mark } from '../marks.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import { answerTermLength, reserveLengthOf } from './memory-budget.js';
import { egressChannelOf } from './response-channel.js';
import { type Correlation, SessionEvents } from './session-events.js';

/** Answers that may wait at a time. */
export const PENDING_ANSWER_COUNT_MAX = 128;
/** How long an answer waits for its client. */
export const PENDING_ANSWER_TIMEOUT_NS = 1_000_000_000;
/** A publication that has carried its answer repeats what was lost for so long. */
const LINGER_NS = 1_000_000_000;

interface PendingAnswer {
  readonly publication: ExclusivePublication;
  readonly bytes: Uint8Array;
  readonly expiryNs: number;
}

/** Whom to answer, and where. */
export interface Asker extends Correlation {
  readonly responseStreamId: number;
  readonly responseChannel: string;
}

/** Short-lived publications that each carry one message. */
export class Responder {
  readonly #transport: Transport;
  readonly #config: ClusterConfig;
  readonly #reserveLength: number;
  readonly #events: SessionEvents;
  readonly #pending = new Map<string, PendingAnswer>();
  /** Answers for which there was no room. */
  droppedCount = 0;

  constructor(transport: Transport, config: ClusterConfig) {
    this.#transport = transport;
    this.#config = config;
    this.#reserveLength = reserveLengthOf(config);
    this.#events = new SessionEvents(transport.arena, config);
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Sends an event to a client that waits for it, unless something is on its way to it already.
   *
   * @param clusterSessionId of a session that has ended; -1 for one that never was.
   */
  answer(
    asker: Asker,
    code: number,
    detail: string,
    leadershipTermId: number,
    leaderMemberId: number,
    nowNs: number,
    clusterSessionId = -1,
  ): void {
    if (!this.#hasRoomFor(asker)) {
      return;
    }
    const length = this.#events.sessionEvent(
      asker,
      clusterSessionId,
      leadershipTermId,
      code,
      detail,
      leaderMemberId,
    );
    this.#send(asker, length, nowNs);
  }

  /** Sends a challenge, unless something is on its way to the client already. */
  challenge(asker: Asker, handshakeId: number, encodedChallenge: Uint8Array, nowNs: number): void {
    if (this.#hasRoomFor(asker)) {
      this.#send(asker, this.#events.challenge(asker, handshakeId, encodedChallenge), nowNs);
    }
  }

  #hasRoomFor(asker: Asker): boolean {
    if (this.#pending.has(keyOf(asker))) {
      return false;
    }
    const termLength = answerTermLength(this.#config);
    const hasRoom =
      this.#pending.size < PENDING_ANSWER_COUNT_MAX &&
      this.#transport.canAddPublication(termLength, 0, this.#reserveLength);
    this.droppedCount += hasRoom ? 0 : 1;
    return hasRoom;
  }

  /** What was encoded last goes to the client when its subscription is connected. */
  #send(asker: Asker, length: number, nowNs: number): void {
    const { address } = this.#events;
    const { member } = this.#config;
    const publication = this.#transport.addPublication(
      egressChannelOf(asker.responseChannel),
      asker.responseStreamId,
      {
        termLength: answerTermLength(this.#config),
        mtuLength: member.mtuLength,
        lingerNs: LINGER_NS,
        isFailureTold: false,
      },
    );
    this.#pending.set(keyOf(asker), {
      publication,
      bytes: this.#transport.arena.u8.slice(address, address + length),
      expiryNs: nowNs + PENDING_ANSWER_TIMEOUT_NS,
    });
  }

  doWork(nowNs: number): number {
    let work = 0;
    for (const [key, answer] of this.#pending) {
      const { publication, bytes } = answer;
      const isSent = publication.isConnected && publication.offer(bytes, 0, bytes.length) > 0;
      if (isSent || nowNs >= answer.expiryNs || publication.isClosed) {
        if (!isSent) {
          hit(Mark.ResponderAnswerExpired);
        }
        publication.close();
        this.#pending.delete(key);
        work++;
      }
    }
    return work;
  }

  deadlineNs(): number {
    let deadlineNs = Number.POSITIVE_INFINITY;
    for (const answer of this.#pending.values()) {
      deadlineNs = Math.min(deadlineNs, answer.expiryNs);
    }
    return deadlineNs;
  }

  close(): void {
    for (const answer of this.#pending.values()) {
      answer.publication.close();
    }
    this.#pending.clear();
    this.#events.close();
  }
}

function keyOf(asker: Asker): string {
  return `${asker.responseChannel}|${asker.responseStreamId}`;
}
