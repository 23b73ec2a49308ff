// leader-search.ts: a client asks every member for a session until the leader opens one.
//
// Members that do not lead send it on to the one that does. A leader that wants to know who asks
// challenges it; the answer goes to every member, because who leads is known for certain only when
// the session is open.

import { hit, Mark } from '../marks.js';
import { MEMBER_NULL } from '../position.js';
import { ChallengeDecoder } from '../protocol/codecs/challenge.js';
import { INGRESS_STREAM_ID } from '../protocol/streams.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';
import type { ConcludedClientOptions } from './client-options.js';
import { type CredentialsSupplier, checkedCredentials } from './credentials.js';
import { type IngressEndpoints, ingressEndpoints, learnEndpoints } from './ingress-endpoints.js';
import type { IngressWriter } from './ingress-writer.js';

/** A challenge, and what was answered. */
interface AnsweredChallenge {
  readonly handshakeId: number;
  readonly encodedChallenge: Uint8Array;
  readonly answer: Uint8Array | undefined;
}

export interface LeaderSearchParts {
  readonly transport: Transport;
  readonly options: ConcludedClientOptions;
  readonly writer: IngressWriter;
  readonly credentials: CredentialsSupplier;
  /** Tells the answers to this client's request from those to others. */
  readonly correlationId: bigint;
}

/** The members that a client knows of, and its requests to them. */
export class LeaderSearch {
  readonly #parts: LeaderSearchParts;
  readonly #publications = new Map<number, ExclusivePublication>();
  readonly #askedAtNs = new Map<number, number>();
  readonly #challenge = new ChallengeDecoder();
  // A challenge that is repeated gets the same answer.
  #answered: AnsweredChallenge | undefined;
  #endpoints: IngressEndpoints;
  // Who leads, in the words of another member.
  #namedLeaderId = MEMBER_NULL;

  constructor(parts: LeaderSearchParts) {
    this.#parts = parts;
    this.#endpoints = ingressEndpoints(parts.options.ingressEndpoints);
  }

  /** Where the members are, for people. */
  get endpointsText(): string {
    return [...this.#endpoints.values()].join(', ');
  }

  /** Asks whom it is time to ask. Returns how many. */
  ask(localEndpoint: string, nowNs: number): number {
    const { correlationId, credentials, options, writer } = this.#parts;
    let work = 0;
    for (const [memberId, endpoint] of this.#endpoints) {
      const publication = this.#publicationTo(memberId, endpoint);
      const askedNs = this.#askedAtNs.get(memberId) ?? Number.NEGATIVE_INFINITY;
      if (publication.isConnected && nowNs - askedNs >= options.connectRetryNs) {
        const encodedCredentials = checkedCredentials(credentials.encodedCredentials());
        const { egressStreamId } = options;
        const result = writer.connect(publication, {
          correlationId,
          responseStreamId: egressStreamId,
          localEndpoint,
          encodedCredentials,
        });
        if (result > 0) {
          this.#askedAtNs.set(memberId, nowNs);
          work++;
        }
      }
    }
    return work;
  }

  /** A member names the leader: it is asked at once rather than at the next retry. */
  onRedirect(leaderMemberId: number, detail: string): void {
    hit(Mark.ClientRedirected);
    this.#endpoints = learnEndpoints(detail, this.#endpoints);
    this.#askedAtNs.delete(leaderMemberId);
    this.#namedLeaderId = leaderMemberId;
  }

  /**
   * Why there will be no session: the member that leads does not take our stream, or no member
   * does. Undefined while there is somebody to hope for.
   */
  refusal(): string | undefined {
    const leader = this.#publications.get(this.#namedLeaderId);
    if (leader?.refusal !== undefined) {
      return this.#refusalOf(this.#namedLeaderId, leader.refusal);
    }
    const publications = [...this.#publications];
    const isHopeless =
      publications.length === this.#endpoints.size &&
      publications.every(([, { refusal }]) => refusal !== undefined);
    return isHopeless ? this.refusals() : undefined;
  }

  /** What members said that do not take our stream; empty where none did. */
  refusals(): string {
    const reasons: string[] = [];
    for (const [memberId, { refusal }] of this.#publications) {
      if (refusal !== undefined) {
        reasons.push(this.#refusalOf(memberId, refusal));
      }
    }
    return reasons.join('; ');
  }

  #refusalOf(memberId: number, reason: string): string {
    const endpoint = this.#endpoints.get(memberId);
    return `member ${memberId} (${endpoint}) does not take its stream: ${reason}`;
  }

  /** Answers a challenge. False when the client has no answer. */
  onChallenge(view: DataView, offset: number, length: number): boolean {
    const { correlationId, writer } = this.#parts;
    if (!ChallengeDecoder.isValid(view, offset, length)) {
      return true;
    }
    const message = this.#challenge.wrapAndApplyHeader(view, offset);
    if (BigInt.asUintN(64, message.correlationId()) !== correlationId) {
      return true;
    }
    hit(Mark.ClientChallenged);
    const handshakeId = message.clusterSessionId();
    const answer = this.#answerTo(handshakeId, message.encodedChallenge());
    if (answer === undefined) {
      return false;
    }
    for (const publication of this.#publications.values()) {
      if (publication.isConnected) {
        writer.challengeResponse(publication, correlationId, handshakeId, answer);
      }
    }
    return true;
  }

  #answerTo(handshakeId: number, encodedChallenge: Uint8Array): Uint8Array | undefined {
    const known = this.#answered;
    const isKnown =
      known?.handshakeId === handshakeId && areEqual(known.encodedChallenge, encodedChallenge);
    if (known !== undefined && isKnown) {
      return known.answer;
    }
    const given = this.#parts.credentials.onChallenge(encodedChallenge);
    const answer = given === undefined ? undefined : checkedCredentials(given);
    this.#answered = { handshakeId, encodedChallenge, answer };
    return answer;
  }

  /** The leader is found: its stream is kept, the others end. */
  finish(leaderMemberId: number): ExclusivePublication | undefined {
    const leader = this.#publications.get(leaderMemberId);
    this.#publications.delete(leaderMemberId);
    this.close();
    return leader;
  }

  /** A stream to a leader that has presented itself; undefined when nobody said where it is. */
  openTo(leaderMemberId: number, endpointsText: string): ExclusivePublication | undefined {
    this.#endpoints = learnEndpoints(endpointsText, this.#endpoints);
    const endpoint = this.#endpoints.get(leaderMemberId);
    return endpoint === undefined ? undefined : this.#open(endpoint);
  }

  close(): void {
    for (const publication of this.#publications.values()) {
      publication.close();
    }
    this.#publications.clear();
    this.#askedAtNs.clear();
  }

  #publicationTo(memberId: number, endpoint: string): ExclusivePublication {
    const known = this.#publications.get(memberId);
    if (known !== undefined && !known.isClosed) {
      return known;
    }
    const publication = this.#open(endpoint);
    this.#publications.set(memberId, publication);
    return publication;
  }

  #open(endpoint: string): ExclusivePublication {
    const { options, transport } = this.#parts;
    return transport.addPublication(`aeron:udp?endpoint=${endpoint}`, INGRESS_STREAM_ID, {
      termLength: options.ingressTermLength,
      mtuLength: options.mtuLength,
    });
  }
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
