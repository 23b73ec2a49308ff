// leader-search.ts: a client asks every member for a session until the leader opens one.
//
// Members that do not lead send it on to the one that does. A leader that wants to know who asks
// challenges it; the answer goes to every member, because who leads is known for certain only when
// the session is open.
//
// What the client was told of addresses may be old, or in the wrong order. Where a member leads to
// another address, its stream is opened anew there.

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

/** A member that another one names is asked again after this, rather than at the next retry. */
const NAMED_RETRY_NS = 20_000_000;

/** A stream to a member. */
interface MemberStream {
  readonly publication: ExclusivePublication;
  /** Where it leads to. */
  readonly endpoint: string;
  /** When it took the place of one to another address; -Infinity for a first one. */
  readonly movedNs: number;
  askedNs: number;
}

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
  readonly #streams = new Map<number, MemberStream>();
  readonly #challenge = new ChallengeDecoder();
  // A challenge that is repeated gets the same answer.
  #answered: AnsweredChallenge | undefined;
  #endpoints: IngressEndpoints;
  // Who leads, in the words of another member.
  #namedLeaderId = MEMBER_NULL;
  // It has not been asked since it was named.
  #isNamedAnew = false;

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
    this.#forgetUnlisted();
    let work = 0;
    for (const [memberId, endpoint] of this.#endpoints) {
      const stream = this.#streamTo(memberId, endpoint, nowNs);
      if (stream?.publication.isConnected === true && nowNs >= this.#askNs(memberId, stream)) {
        const encodedCredentials = checkedCredentials(credentials.encodedCredentials());
        const { egressStreamId } = options;
        const result = writer.connect(stream.publication, {
          correlationId,
          responseStreamId: egressStreamId,
          localEndpoint,
          encodedCredentials,
        });
        if (result > 0) {
          stream.askedNs = nowNs;
          this.#isNamedAnew &&= memberId !== this.#namedLeaderId;
          work++;
        }
      }
    }
    return work;
  }

  /**
   * When somebody is to be asked by `ask` even if nothing arrives, nanoseconds: after `nowNs`, the
   * time of the last call.
   */
  deadlineNs(nowNs: number): number {
    const retryNs = nowNs + this.#parts.options.connectRetryNs;
    const named = this.#streams.get(this.#namedLeaderId);
    if (!this.#isNamedAnew || named?.publication.isConnected !== true) {
      return retryNs;
    }
    const askNs = this.#askNs(this.#namedLeaderId, named);
    // What was due and is still to be done found no room in the stream.
    return Math.min(retryNs, askNs > nowNs ? askNs : nowNs + NAMED_RETRY_NS);
  }

  /**
   * When a member is to be asked. One that was asked a moment ago and is named now is asked soon,
   * not at once: two members that name each other would keep this client busy.
   */
  #askNs(memberId: number, stream: MemberStream): number {
    const { connectRetryNs } = this.#parts.options;
    const isNamed = this.#isNamedAnew && memberId === this.#namedLeaderId;
    return stream.askedNs + (isNamed ? Math.min(NAMED_RETRY_NS, connectRetryNs) : connectRetryNs);
  }

  /** A member names the leader, and says where everybody is. */
  onRedirect(leaderMemberId: number, detail: string): void {
    hit(Mark.ClientRedirected);
    this.#endpoints = learnEndpoints(detail, this.#endpoints);
    this.#name(leaderMemberId);
  }

  #name(leaderMemberId: number): void {
    this.#namedLeaderId = leaderMemberId;
    this.#isNamedAnew = true;
  }

  /**
   * Why there will be no session: the member that leads does not take our stream, or no member
   * does. Undefined while there is somebody to hope for.
   */
  refusal(): string | undefined {
    const refusals = this.#refusals();
    const isHopeless = refusals.size === this.#endpoints.size;
    return refusals.get(this.#namedLeaderId) ?? (isHopeless ? this.refusals() : undefined);
  }

  /** Why there is no stream to members: what they said, or no memory here; else empty. */
  refusals(): string {
    return [...this.#refusals().values(), ...this.#shortages()].join('; ');
  }

  #shortages(): string[] {
    const shortages: string[] = [];
    for (const [memberId, endpoint] of this.#endpoints) {
      if (this.#streams.get(memberId)?.publication.isClosed !== false && !this.#canOpen()) {
        shortages.push(this.#shortage(memberId, endpoint));
      }
    }
    return shortages;
  }

  /** By member; whoever is at the former address of a member does not speak for it. */
  #refusals(): Map<number, string> {
    const reasons = new Map<number, string>();
    for (const [memberId, endpoint] of this.#endpoints) {
      const stream = this.#streams.get(memberId);
      const reason = stream?.publication.refusal;
      if (reason !== undefined && stream?.endpoint === endpoint) {
        const member = `member ${memberId} (${endpoint})`;
        reasons.set(memberId, `${member} does not take its stream: ${reason}`);
      }
    }
    return reasons;
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
    for (const { publication } of this.#streams.values()) {
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

  /**
   * The leader is found: its stream is kept, the others end.
   *
   * @param endpointsText where it says that everybody is: what this client calls the leader may be
   *   another member, and what it calls another member the leader.
   * @returns undefined when no stream is known to lead to it: one is opened, and the leader asked
   *   again, by `ask`.
   */
  finish(leaderMemberId: number, endpointsText: string): ExclusivePublication | undefined {
    this.#endpoints = learnEndpoints(endpointsText, this.#endpoints);
    const endpoint = this.#endpoints.get(leaderMemberId);
    const leader = this.#streamAt(endpoint) ?? this.#streamOf(leaderMemberId);
    if (leader === undefined) {
      this.#name(leaderMemberId);
      return undefined;
    }
    for (const [memberId, stream] of this.#streams) {
      if (stream === leader) {
        this.#streams.delete(memberId);
      }
    }
    this.close();
    return leader.publication;
  }

  #streamAt(endpoint: string | undefined): MemberStream | undefined {
    const isThere = (stream: MemberStream): boolean =>
      stream.endpoint === endpoint && !stream.publication.isClosed;
    return [...this.#streams.values()].find(isThere);
  }

  /** The stream to a member under a name of its own, as far as anybody knows. */
  #streamOf(memberId: number): MemberStream | undefined {
    const stream = this.#streams.get(memberId);
    const isThere = stream?.publication.isConnected === true;
    return isThere && !this.#isOfAnother(memberId, stream) ? stream : undefined;
  }

  /** A leader that presents itself says where everybody is. */
  onNewLeader(endpointsText: string): void {
    this.#endpoints = learnEndpoints(endpointsText, this.#endpoints);
  }

  /**
   * A stream to a leader that has presented itself; undefined when nobody said where it is, or
   * while there is no memory for it.
   */
  openTo(leaderMemberId: number): ExclusivePublication | undefined {
    const endpoint = this.#endpoints.get(leaderMemberId);
    return endpoint === undefined ? undefined : this.#open(endpoint);
  }

  /** Why a leader that has presented itself is not spoken to, as a sentence; empty if unknown. */
  whyNot(leaderMemberId: number, ingress: ExclusivePublication | undefined): string {
    const endpoint = this.#endpoints.get(leaderMemberId);
    if (ingress === undefined && endpoint !== undefined) {
      return `. Member ${leaderMemberId} leads, and ${this.#shortage(leaderMemberId, endpoint)}`;
    }
    const refusal = ingress?.refusal;
    return refusal === undefined
      ? ''
      : `. Member ${leaderMemberId} leads and does not take its stream: ${refusal}`;
  }

  #shortage(memberId: number, endpoint: string): string {
    return (
      `there is no memory for a stream of three times ${this.#parts.options.ingressTermLength} ` +
      `bytes to member ${memberId} (${endpoint}): lower ingressTermLength`
    );
  }

  close(): void {
    for (const { publication } of this.#streams.values()) {
      publication.close();
    }
    this.#streams.clear();
  }

  /** Undefined while there is no memory for it: what is closed gives its own back in a moment. */
  #streamTo(memberId: number, endpoint: string, nowNs: number): MemberStream | undefined {
    const known = this.#streams.get(memberId);
    const isOpen = known !== undefined && !known.publication.isClosed;
    if (isOpen && !this.#isToMove(memberId, known, nowNs)) {
      return known;
    }
    known?.publication.close();
    const publication = this.#open(endpoint);
    if (publication === undefined) {
      return undefined;
    }
    const stream = {
      publication,
      endpoint,
      movedNs: known === undefined ? Number.NEGATIVE_INFINITY : nowNs,
      askedNs: Number.NEGATIVE_INFINITY,
    };
    this.#streams.set(memberId, stream);
    return stream;
  }

  /**
   * Whether a stream leads past its member. One that is connected leads to it under another name,
   * unless that is the address of another member. Members that disagree are believed in turn, and
   * each for long enough that its address can answer.
   */
  #isToMove(memberId: number, stream: MemberStream, nowNs: number): boolean {
    const isElsewhere =
      stream.endpoint !== this.#endpoints.get(memberId) &&
      (!stream.publication.isConnected || this.#isOfAnother(memberId, stream));
    return isElsewhere && nowNs >= stream.movedNs + this.#parts.options.connectRetryNs;
  }

  #isOfAnother(memberId: number, { endpoint }: MemberStream): boolean {
    const isOther = ([id, of]: [number, string]): boolean => id !== memberId && of === endpoint;
    return [...this.#endpoints].some(isOther);
  }

  #forgetUnlisted(): void {
    for (const [memberId, { publication }] of this.#streams) {
      if (!this.#endpoints.has(memberId)) {
        publication.close();
        this.#streams.delete(memberId);
      }
    }
  }

  #canOpen(): boolean {
    const { options, transport } = this.#parts;
    return transport.canAddPublication(options.ingressTermLength);
  }

  #open(endpoint: string): ExclusivePublication | undefined {
    const { options, transport } = this.#parts;
    if (!this.#canOpen()) {
      return undefined;
    }
    return transport.addPublication(`aeron:udp?endpoint=${endpoint}`, INGRESS_STREAM_ID, {
      termLength: options.ingressTermLength,
      mtuLength: options.mtuLength,
    });
  }
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
