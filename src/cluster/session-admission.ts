// session-admission.ts: clients between their request for a session and the leader's verdict.
//
// Where nobody is asked who he is, the verdict is at once. Otherwise an authenticator decides, with
// a challenge where it wants one. Handshakes are bounded in number, in all and for one host, and in
// time: clients that begin many and end none take no session away from anybody. They are the
// leader's own: with its term they are gone, and clients ask the next leader anew.

import { hit, Mark } from '../marks.js';
import { EventCode } from '../protocol/codecs/enumerations.js';
import { CREDENTIALS_LENGTH_MAX } from '../protocol/streams.js';
import { logLength } from '../transport/log-memory.js';
import { type Authenticator, PRINCIPAL_LENGTH_MAX, type SessionProxy } from './authenticator.js';
import type { ClusterConfig } from './cluster-config.js';
import { CountByName, sessionKeyOf } from './cluster-session.js';
import { type LeaderSessions, OpenResult } from './leader-sessions.js';
import type { SessionDetails } from './log-publisher.js';
import { reserveLengthOf } from './memory-budget.js';
import type { Responder } from './responder.js';
import { responseHost } from './response-channel.js';

/** A rejected client hears of it after this: whoever guesses has one guess in that time. */
export const REJECTION_DELAY_MS = 1_000;
/** Clients of one host have at most this share of all handshakes, and one at least. */
export const HANDSHAKE_HOST_SHARE = 4;
/** Principal of everybody where nobody is asked. */
const NOBODY = new Uint8Array(0);

/** How far a handshake is. */
const Stage = { Connected: 0, Challenged: 1, Answered: 2, Accepted: 3, Rejected: 4 } as const;
type Stage = (typeof Stage)[keyof typeof Stage];

/** One client's handshake, as the authenticator sees it. */
class Handshake implements SessionProxy {
  readonly sessionId: number;
  readonly details: SessionDetails;
  readonly address: string;
  /** From when on its time runs. */
  startedMs: number;
  stage: Stage = Stage.Connected;
  encodedChallenge: Uint8Array = NOBODY;
  encodedPrincipal: Uint8Array = NOBODY;
  /** When it was rejected. */
  rejectedMs = 0;
  /** Told to the client with the rejection. */
  reason = 'the credentials were rejected';

  constructor(sessionId: number, details: SessionDetails, address: string, startedMs: number) {
    this.sessionId = sessionId;
    this.details = details;
    this.address = address;
    this.startedMs = startedMs;
  }

  challenge(encodedChallenge: Uint8Array): void {
    const isFirst = this.stage === Stage.Connected;
    if (!isFirst || encodedChallenge.length > CREDENTIALS_LENGTH_MAX) {
      throw new RangeError(
        isFirst
          ? `the challenge has ${encodedChallenge.length} bytes, of ${CREDENTIALS_LENGTH_MAX}`
          : 'a client is challenged once',
      );
    }
    this.encodedChallenge = encodedChallenge.slice();
    this.stage = Stage.Challenged;
  }

  accept(encodedPrincipal: Uint8Array): void {
    if (encodedPrincipal.length > PRINCIPAL_LENGTH_MAX) {
      throw new RangeError(
        `the principal has ${encodedPrincipal.length} bytes, of ${PRINCIPAL_LENGTH_MAX}`,
      );
    }
    if (this.stage === Stage.Connected || this.stage === Stage.Answered) {
      this.encodedPrincipal = encodedPrincipal.slice();
      this.stage = Stage.Accepted;
    }
  }

  reject(): void {
    this.stage = Stage.Rejected;
  }
}

/** What became of a request for a session. */
export type AdmissionResult = 'taken' | 'back-pressured';

export interface SessionAdmissionParts {
  readonly config: ClusterConfig;
  /** Undefined: everybody is let in. */
  readonly authenticator: Authenticator | undefined;
  readonly sessions: LeaderSessions;
  readonly responder: Responder;
  /** The authenticator threw; the text has nothing of what the client sent. */
  onWarning(message: string): void;
}

/** The handshakes of a leader. */
export class SessionAdmission {
  readonly #parts: SessionAdmissionParts;
  readonly #handshakes = new Map<string, Handshake>();
  readonly #byId = new Map<number, Handshake>();
  readonly #countOfHost = new CountByName();
  #nextId = 1;
  #leadershipTermId = -1;
  #hasWarned = false;
  /** Requests that were dropped because as many handshakes as allowed were under way. */
  droppedCount = 0;
  challengedCount = 0;
  acceptedCount = 0;
  rejectedCount = 0;
  timedOutCount = 0;
  /** Errors that the authenticator threw. */
  failedCount = 0;

  constructor(parts: SessionAdmissionParts) {
    this.#parts = parts;
  }

  /** Handshakes under way. */
  get count(): number {
    return this.#handshakes.size;
  }

  startTerm(leadershipTermId: number): void {
    this.#leadershipTermId = leadershipTermId;
  }

  /** What is under way is forgotten: clients ask whoever leads next. */
  endTerm(): void {
    if (this.#handshakes.size > 0) {
      hit(Mark.SessionHandshakesLost);
    }
    for (const handshake of [...this.#handshakes.values()]) {
      this.#end(handshake);
    }
  }

  /** Ingress was held back: answers to challenges wait in it, and nobody is late. */
  restartTimes(nowMs: number): void {
    for (const handshake of this.#handshakes.values()) {
      handshake.startedMs = nowMs;
    }
  }

  /** A client asks for a session, perhaps again. */
  onConnect(
    details: SessionDetails,
    encodedCredentials: Uint8Array,
    nowMs: number,
    nowNs: number,
  ): AdmissionResult {
    const { authenticator, sessions } = this.#parts;
    if (authenticator === undefined || sessions.isKnown(details)) {
      return this.#open(details, nowMs, nowNs) ? 'taken' : 'back-pressured';
    }
    const known = this.#handshakes.get(sessionKeyOf(details));
    if (known !== undefined) {
      this.#repeatChallenge(known, nowNs);
      return 'taken';
    }
    const host = responseHost(details.responseChannel);
    if (!this.#mayBegin(host) || encodedCredentials.length > CREDENTIALS_LENGTH_MAX) {
      // Not answered: in a moment there may be room, and the client asks again.
      hit(Mark.SessionHandshakeRefused);
      this.droppedCount++;
      return 'taken';
    }
    const handshake = this.#begin(details, host, nowMs);
    this.#consult(handshake, () =>
      authenticator.onConnectRequest(handshake.sessionId, encodedCredentials, nowMs),
    );
    this.#step(handshake, nowMs, nowNs);
    return 'taken';
  }

  /** A client answers its challenge. False when no such client was challenged. */
  onChallengeResponse(
    handshakeId: number,
    correlationIdHigh: number,
    correlationIdLow: number,
    encodedCredentials: Uint8Array,
    nowMs: number,
    nowNs: number,
  ): boolean {
    const { authenticator } = this.#parts;
    const handshake = this.#byId.get(handshakeId);
    const isExpected =
      handshake?.stage === Stage.Challenged &&
      handshake.details.correlationIdHigh === correlationIdHigh &&
      handshake.details.correlationIdLow === correlationIdLow &&
      encodedCredentials.length <= CREDENTIALS_LENGTH_MAX;
    if (handshake === undefined || !isExpected) {
      hit(Mark.SessionStrangeChallengeResponse);
      return false;
    }
    handshake.stage = Stage.Answered;
    this.#consult(handshake, () =>
      authenticator?.onChallengeResponse(handshakeId, encodedCredentials, nowMs),
    );
    this.#step(handshake, nowMs, nowNs);
    return true;
  }

  /** Asks the authenticator about everyone that waits for it, and ends what takes too long. */
  doWork(nowMs: number, nowNs: number): number {
    let work = 0;
    for (const handshake of this.#handshakes.values()) {
      const { stage } = handshake;
      this.#step(handshake, nowMs, nowNs);
      work += stage === handshake.stage ? 0 : 1;
    }
    return work;
  }

  #mayBegin(host: string): boolean {
    const { handshakeCountMax, sessionCountPerAddressMax } = this.#parts.config;
    const share = Math.max(1, Math.floor(handshakeCountMax / HANDSHAKE_HOST_SHARE));
    const ofHost = this.#countOfHost.of(host);
    return (
      this.#handshakes.size < handshakeCountMax &&
      ofHost < Math.min(share, sessionCountPerAddressMax)
    );
  }

  #begin(details: SessionDetails, host: string, nowMs: number): Handshake {
    const handshake = new Handshake(this.#nextId++, details, host, nowMs);
    this.#handshakes.set(sessionKeyOf(details), handshake);
    this.#byId.set(handshake.sessionId, handshake);
    this.#countOfHost.add(host, 1);
    return handshake;
  }

  #end(handshake: Handshake): void {
    this.#handshakes.delete(sessionKeyOf(handshake.details));
    this.#byId.delete(handshake.sessionId);
    this.#countOfHost.add(handshake.address, -1);
    try {
      this.#parts.authenticator?.onHandshakeEnd?.(handshake.sessionId);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #step(handshake: Handshake, nowMs: number, nowNs: number): void {
    const { authenticator, config } = this.#parts;
    const { stage } = handshake;
    if (stage === Stage.Connected) {
      this.#consult(handshake, () => authenticator?.onProcessConnectedSession(handshake, nowMs));
    } else if (stage === Stage.Answered) {
      this.#consult(handshake, () => authenticator?.onProcessChallengedSession(handshake, nowMs));
    }
    if (handshake.stage === Stage.Challenged && stage !== Stage.Challenged) {
      this.challengedCount++;
      this.#challenge(handshake, nowNs);
    }
    if (handshake.stage === Stage.Accepted) {
      this.#admit(handshake, nowMs, nowNs);
    } else if (handshake.stage === Stage.Rejected) {
      this.#refuseLater(handshake, nowMs, nowNs);
    } else if (nowMs - handshake.startedMs > config.handshakeTimeoutMs) {
      hit(Mark.SessionHandshakeTimedOut);
      this.timedOutCount++;
      const { handshakeTimeoutMs } = config;
      this.#reject(handshake, `it was not authenticated within ${handshakeTimeoutMs} ms`, nowNs);
    }
  }

  #challenge(handshake: Handshake, nowNs: number): void {
    hit(Mark.SessionChallenged);
    const { details, encodedChallenge, sessionId } = handshake;
    this.#parts.responder.challenge(details, sessionId, encodedChallenge, nowNs);
  }

  /** The client asks again: the challenge may be lost. */
  #repeatChallenge(handshake: Handshake, nowNs: number): void {
    if (handshake.stage === Stage.Challenged) {
      hit(Mark.SessionChallengedAgain);
      this.#challenge(handshake, nowNs);
    }
  }

  #admit(handshake: Handshake, nowMs: number, nowNs: number): void {
    const { details, encodedPrincipal } = handshake;
    if (this.#open({ ...details, encodedPrincipal }, nowMs, nowNs)) {
      hit(Mark.SessionAuthenticated);
      this.acceptedCount++;
      this.#end(handshake);
    }
  }

  #refuseLater(handshake: Handshake, nowMs: number, nowNs: number): void {
    if (handshake.rejectedMs === 0) {
      handshake.rejectedMs = nowMs;
    } else if (nowMs - handshake.rejectedMs >= REJECTION_DELAY_MS) {
      hit(Mark.SessionRejected);
      this.rejectedCount++;
      this.#reject(handshake, handshake.reason, nowNs);
    }
  }

  #reject(handshake: Handshake, reason: string, nowNs: number): void {
    this.#answer(handshake.details, EventCode.AuthenticationRejected, reason, nowNs);
    this.#end(handshake);
  }

  /** False when the log has no room. */
  #open(details: SessionDetails, nowMs: number, nowNs: number): boolean {
    const { config, sessions } = this.#parts;
    const result = sessions.open(details, nowMs);
    const { egressTermLength, member, sessionCountMax, sessionCountPerAddressMax } = config;
    const reasons: Readonly<Record<number, string>> = {
      [OpenResult.LimitReached]:
        `the limit of ${sessionCountMax} sessions is reached, with those whose end a service has ` +
        'not seen: raise sessionCountMax',
      [OpenResult.AddressLimitReached]:
        `the limit of ${sessionCountPerAddressMax} sessions of one address is reached: ` +
        'raise sessionCountPerAddressMax',
      [OpenResult.MemoryLimitReached]:
        `the leader has no memory for a stream of ${logLength(egressTermLength)} bytes to ` +
        `another client, with ${reserveLengthOf(config)} of its memoryLength ` +
        `${member.memoryLength} kept for the log: close sessions, raise memoryLength, ` +
        `or lower egressTermLength (${egressTermLength}) or sessionCountMax`,
    };
    const reason = reasons[result];
    if (reason !== undefined) {
      this.#answer(details, EventCode.Error, reason, nowNs);
    }
    return result !== OpenResult.BackPressured;
  }

  #answer(details: SessionDetails, code: number, reason: string, nowNs: number): void {
    this.#parts.responder.answer(details, code, reason, this.#leadershipTermId, -1, nowNs);
  }

  /** What it throws may come of what a client sent: it must not end the member. */
  #consult(handshake: Handshake, ask: () => void): void {
    try {
      ask();
    } catch (error) {
      this.#onFailure(error);
      handshake.reject();
    }
  }

  #onFailure(error: unknown): void {
    hit(Mark.AuthenticatorFailed);
    this.failedCount++;
    if (!this.#hasWarned) {
      this.#hasWarned = true;
      const name = error instanceof Error ? error.name : typeof error;
      this.#parts.onWarning(
        `the authenticator threw ${name}: such clients are rejected; further errors are only ` +
          'counted (authenticatorFailures)',
      );
    }
  }
}
