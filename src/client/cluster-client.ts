// cluster-client.ts: a client of the cluster, polled.
//
// It finds the leader, keeps one session over any number of leaders, and never sends a message
// twice. It holds no queue: what cannot be sent now is answered with a code, and the caller
// decides.

import { BACK_PRESSURED, CLOSED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Entropy } from '../ports/entropy.js';
import { EventCode } from '../protocol/codecs/enumerations.js';
import { NewLeaderEventDecoder } from '../protocol/codecs/new-leader-event.js';
import { SessionEventDecoder } from '../protocol/codecs/session-event.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { formatHostPort } from '../protocol/host-port.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import { INGRESS_STREAM_ID } from '../protocol/streams.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import { FragmentAssembler } from '../transport/fragment-assembler.js';
import type { FragmentHandler } from '../transport/fragment-header.js';
import type { Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import type { ConcludedClientOptions } from './client-options.js';
import { type AnswerHandlers, EgressAnswers } from './egress-answers.js';
import { type EgressConsumer, EgressReader } from './egress-reader.js';
import { type IngressEndpoints, ingressEndpoints, learnEndpoints } from './ingress-endpoints.js';
import {
  IngressWriter,
  QUERY_HEADER_LENGTH,
  REQUEST_MESSAGE_HEADER_LENGTH,
  type RequestNumbers,
  SESSION_HEADER_LENGTH,
} from './ingress-writer.js';

export const ClientState = {
  /** Looking for the leader and asking for a session. */
  Connecting: 'connecting',
  Connected: 'connected',
  /** The leader's ingress is gone; a new leader will present itself. */
  AwaitingLeader: 'awaiting-leader',
  Closed: 'closed',
} as const;
export type ClientState = (typeof ClientState)[keyof typeof ClientState];

/** What a client's owner hears. Called from doWork; bytes are valid during the call. */
export interface ClientHandlers extends AnswerHandlers {
  onMessage(view: DataView, offset: number, length: number, timestamp: number): void;
  onConnected?(clusterSessionId: number): void;
  /** Another member leads: what was sent before and is unanswered may or may not be in the log. */
  onNewLeader?(leadershipTermId: number, leaderMemberId: number): void;
  /** The session ended: by the cluster, by a timeout, or because it could not be opened. */
  onClosed?(error: PawlError | undefined): void;
}

export interface ClusterClientDependencies {
  readonly transport: Transport;
  readonly entropy: Entropy;
  readonly options: ConcludedClientOptions;
  readonly handlers: ClientHandlers;
}

/** One session with a cluster. */
export class ClusterClient {
  readonly roleName = 'client';
  readonly #transport: Transport;
  readonly #options: ConcludedClientOptions;
  readonly #handlers: ClientHandlers;
  readonly #correlationId: bigint;
  readonly #egress: Subscription;
  readonly #egressReader: EgressReader;
  readonly #writer: IngressWriter;
  readonly #answers: EgressAnswers;
  readonly #messageDecoder = new SessionMessageHeaderDecoder();
  readonly #sessionEvent = new SessionEventDecoder();
  readonly #newLeaderEvent = new NewLeaderEventDecoder();
  readonly #connecting = new Map<number, ExclusivePublication>();
  readonly #askedAtNs = new Map<number, number>();
  #endpoints: IngressEndpoints;
  #ingress: ExclusivePublication | undefined;
  #state: ClientState = ClientState.Connecting;
  #startedNs = -1;
  #awaitingSinceNs = -1;
  #lastSendNs = 0;
  #nowNs = 0;
  #error: PawlError | undefined;
  #isCloseReported = false;
  clusterSessionId = -1;
  leadershipTermId = -1;
  leaderMemberId = -1;

  constructor(dependencies: ClusterClientDependencies) {
    const { transport, entropy, options } = dependencies;
    this.#transport = transport;
    this.#options = options;
    this.#handlers = dependencies.handlers;
    this.#answers = new EgressAnswers(dependencies.handlers);
    this.#correlationId = (BigInt(entropy.nextUint32()) << 32n) | BigInt(entropy.nextUint32());
    this.#endpoints = ingressEndpoints(options.ingressEndpoints);
    this.#writer = new IngressWriter(transport, this, options.mtuLength);
    this.#egress = transport.addSubscription(options.egressChannel, options.egressStreamId, {
      termLengthMax: options.egressTermLengthMax,
      windowLength: options.windowLength,
    });
    const { messageLengthMax } = options;
    this.#egressReader = new EgressReader(transport.arena, this.#egress, {
      onSessionMessage: this.#onSessionMessage,
      onFragment: new FragmentAssembler(this.#onEgress, { messageLengthMax }).onFragment,
    });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Why the session ended; undefined while it lives or when it was closed by its owner. */
  get error(): PawlError | undefined {
    return this.#error;
  }

  /** Longest message, bytes; 0 before the session is open. */
  get maxMessageLength(): number {
    const publication = this.#ingress;
    return publication === undefined ? 0 : publication.maxMessageLength - SESSION_HEADER_LENGTH;
  }

  /** Longest body of a request, bytes; 0 before the session is open. */
  get maxRequestLength(): number {
    const longest = this.maxMessageLength + SESSION_HEADER_LENGTH - REQUEST_MESSAGE_HEADER_LENGTH;
    return Math.max(0, longest);
  }

  /**
   * Sends a message to the leader, at most once.
   *
   * @returns a positive stream position, or NOT_CONNECTED, BACK_PRESSURED, ADMIN_ACTION or CLOSED.
   * @throws PawlError MESSAGE_TOO_LONG.
   */
  offer(buffer: Uint8Array, offset: number, length: number): number {
    const publication = this.#ingress;
    if (publication === undefined || this.#state !== ClientState.Connected) {
      return this.#state === ClientState.Closed ? CLOSED : NOT_CONNECTED;
    }
    return this.#sent(this.#writer.message(publication, buffer, offset, length));
  }

  /**
   * Sends a request, which may have been sent before: the cluster executes it once.
   *
   * @returns as `offer`. @throws PawlError MESSAGE_TOO_LONG.
   */
  offerRequest(numbers: RequestNumbers, body: Uint8Array): number {
    const publication = this.#ingress;
    if (publication === undefined || this.#state !== ClientState.Connected) {
      return this.#state === ClientState.Closed ? CLOSED : NOT_CONNECTED;
    }
    return this.#sent(this.#writer.request(publication, numbers, body));
  }

  /** Longest body of a query, bytes; 0 before the session is open. */
  get maxQueryLength(): number {
    return Math.max(0, this.maxMessageLength + SESSION_HEADER_LENGTH - QUERY_HEADER_LENGTH);
  }

  /**
   * Sends a query. It may be sent as often as one likes.
   *
   * @returns as `offer`. @throws PawlError MESSAGE_TOO_LONG.
   */
  offerQuery(queryId: number, body: Uint8Array): number {
    const publication = this.#ingress;
    if (publication === undefined || this.#state !== ClientState.Connected) {
      return this.#state === ClientState.Closed ? CLOSED : NOT_CONNECTED;
    }
    return this.#sent(this.#writer.query(publication, queryId, body));
  }

  #sent(result: number): number {
    if (result > 0) {
      this.#lastSendNs = this.#nowNs;
    }
    return result;
  }

  /** Asks the cluster to end the session, and stops. Idempotent. */
  close(): void {
    if (this.#state === ClientState.Closed) {
      return;
    }
    if (this.#ingress !== undefined && this.clusterSessionId >= 0) {
      this.#writer.close(this.#ingress);
    }
    this.#end(undefined);
  }

  /** After the end: returns the memory, where the transport serves a further client. */
  release(): void {
    assert(this.#state === ClientState.Closed, 'a client is closed before its memory is returned');
    this.#writer.release();
    this.#egressReader.release();
  }

  /** One duty cycle, transport included. */
  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    let work = this.#transport.doWork(nowNs);
    if (this.#state === ClientState.Closed) {
      return work;
    }
    if (this.#startedNs < 0) {
      this.#startedNs = nowNs;
    }
    work += this.#egressReader.poll();
    this.#checkSockets();
    switch (this.#state) {
      case ClientState.Connecting:
        work += this.#connect(nowNs);
        break;
      case ClientState.Connected:
        this.#keepAlive(nowNs);
        break;
      case ClientState.AwaitingLeader:
        this.#awaitLeader(nowNs);
        break;
      default:
        break;
    }
    return work;
  }

  /** When doWork has to be called again even if nothing arrives, nanoseconds. */
  deadlineNs(): number {
    const transportNs = this.#transport.deadlineNs();
    switch (this.#state) {
      case ClientState.Connecting:
        return Math.min(transportNs, this.#nowNs + this.#options.connectRetryNs);
      case ClientState.Connected:
        return Math.min(transportNs, this.#lastSendNs + this.#options.keepAliveIntervalNs);
      case ClientState.AwaitingLeader:
        return Math.min(transportNs, this.#awaitingSinceNs + this.#options.newLeaderTimeoutNs);
      default:
        return transportNs;
    }
  }

  #connect(nowNs: number): number {
    const local = this.#egress.localEndpoint;
    if (nowNs - this.#startedNs > this.#options.connectTimeoutNs) {
      hit(Mark.ClientConnectTimedOut);
      const tried = [...this.#endpoints.values()].join(', ');
      this.#fail(
        ErrorCode.Timeout,
        `no leader answered within ${this.#options.connectTimeoutNs / 1e6} ms at ${tried}: ` +
          'check that a majority of the members runs and that the endpoints are right',
      );
      return 0;
    }
    if (local === undefined) {
      return 0;
    }
    let work = 0;
    for (const [memberId, endpoint] of this.#endpoints) {
      const publication = this.#publicationTo(memberId, endpoint);
      const askedNs = this.#askedAtNs.get(memberId) ?? Number.NEGATIVE_INFINITY;
      const isDue = nowNs - askedNs >= this.#options.connectRetryNs;
      if (publication.isConnected && isDue && this.#ask(publication, formatHostPort(local))) {
        this.#askedAtNs.set(memberId, nowNs);
        work++;
      }
    }
    return work;
  }

  #publicationTo(memberId: number, endpoint: string): ExclusivePublication {
    const known = this.#connecting.get(memberId);
    if (known !== undefined && !known.isClosed) {
      return known;
    }
    const publication = this.#addIngress(endpoint);
    this.#connecting.set(memberId, publication);
    return publication;
  }

  #addIngress(endpoint: string): ExclusivePublication {
    return this.#transport.addPublication(`aeron:udp?endpoint=${endpoint}`, INGRESS_STREAM_ID, {
      termLength: this.#options.ingressTermLength,
      mtuLength: this.#options.mtuLength,
    });
  }

  #ask(publication: ExclusivePublication, localEndpoint: string): boolean {
    const { egressStreamId } = this.#options;
    return (
      this.#writer.connect(publication, this.#correlationId, egressStreamId, localEndpoint) > 0
    );
  }

  readonly #onEgress: FragmentHandler = (view, offset, length) => {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.SessionMessageHeader:
        this.#onLongMessage(view, offset, length);
        break;
      case TemplateId.ReplyHeader:
        this.#answers.onReply(view, offset, length, this.clusterSessionId);
        break;
      case TemplateId.QueryAnswer:
        this.#answers.onQueryAnswer(view, offset, length, this.clusterSessionId);
        break;
      case TemplateId.SessionEvent:
        if (SessionEventDecoder.isValid(view, offset, length)) {
          this.#onSessionEvent(this.#sessionEvent.wrapAndApplyHeader(view, offset));
        }
        break;
      case TemplateId.NewLeaderEvent:
        if (NewLeaderEventDecoder.isValid(view, offset, length)) {
          this.#onNewLeader(this.#newLeaderEvent.wrapAndApplyHeader(view, offset));
        }
        break;
      default:
        break;
    }
  };

  /** A message that came in fragments, or is not what it seems. */
  #onLongMessage(view: DataView, offset: number, length: number): void {
    if (SessionMessageHeaderDecoder.isValid(view, offset, length)) {
      const header = this.#messageDecoder.wrapAndApplyHeader(view, offset);
      const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
      this.#onSessionMessage(
        view,
        offset + headLength,
        length - headLength,
        header.leadershipTermId(),
        header.clusterSessionId(),
        header.timestamp(),
      );
    }
  }

  readonly #onSessionMessage: EgressConsumer['onSessionMessage'] = (
    view,
    offset,
    length,
    leadershipTermId,
    clusterSessionId,
    timestamp,
  ) => {
    // A deposed leader may still have something to say. What it answers was reported as unknown
    // when its successor presented itself, and later messages may have been answered since.
    if (leadershipTermId < this.leadershipTermId) {
      hit(Mark.ClientDeposedLeaderReply);
    } else if (clusterSessionId === this.clusterSessionId) {
      this.#handlers.onMessage(view, offset, length, timestamp);
    }
  };

  #onSessionEvent(event: SessionEventDecoder): void {
    const isAnswer =
      this.#state === ClientState.Connecting &&
      BigInt.asUintN(64, event.correlationId()) === this.#correlationId;
    const code = event.code();
    if (code === EventCode.Ok && isAnswer) {
      this.#onOpened(event);
    } else if (code === EventCode.Redirect && isAnswer) {
      this.#redirect(event.leaderMemberId(), event.detail());
    } else if (code === EventCode.Closed && event.clusterSessionId() === this.clusterSessionId) {
      hit(Mark.ClientSessionClosed);
      this.#fail(ErrorCode.SessionClosed, `the cluster closed the session: ${event.detail()}`);
    } else if (
      (code === EventCode.Error || code === EventCode.AuthenticationRejected) &&
      isAnswer
    ) {
      this.#fail(ErrorCode.SessionRefused, `the cluster refused the session: ${event.detail()}`);
    }
  }

  #onOpened(event: SessionEventDecoder): void {
    this.clusterSessionId = event.clusterSessionId();
    this.leadershipTermId = event.leadershipTermId();
    this.leaderMemberId = event.leaderMemberId();
    this.#ingress = this.#connecting.get(this.leaderMemberId);
    for (const [memberId, publication] of this.#connecting) {
      if (memberId !== this.leaderMemberId) {
        publication.close();
      }
    }
    this.#connecting.clear();
    this.#askedAtNs.clear();
    this.#state = ClientState.Connected;
    this.#lastSendNs = this.#nowNs;
    this.#handlers.onConnected?.(this.clusterSessionId);
  }

  #redirect(leaderMemberId: number, detail: string): void {
    hit(Mark.ClientRedirected);
    this.#endpoints = learnEndpoints(detail, this.#endpoints);
    // Ask the named leader at once rather than at the next retry.
    this.#askedAtNs.delete(leaderMemberId);
  }

  #onNewLeader(event: NewLeaderEventDecoder): void {
    const termId = event.leadershipTermId();
    const isMine = event.clusterSessionId() === this.clusterSessionId;
    if (!isMine || !Number.isSafeInteger(termId) || termId <= this.leadershipTermId) {
      return;
    }
    hit(Mark.ClientNewLeader);
    this.#endpoints = learnEndpoints(event.ingressEndpoints(), this.#endpoints);
    this.leadershipTermId = termId;
    this.leaderMemberId = event.leaderMemberId();
    this.#ingress?.close();
    const endpoint = this.#endpoints.get(this.leaderMemberId);
    this.#ingress = endpoint === undefined ? undefined : this.#addIngress(endpoint);
    this.#state = this.#ingress === undefined ? ClientState.AwaitingLeader : ClientState.Connected;
    this.#awaitingSinceNs = this.#nowNs;
    this.#handlers.onNewLeader?.(termId, this.leaderMemberId);
  }

  #keepAlive(nowNs: number): void {
    const publication = this.#ingress;
    // Whoever leads and holds the session keeps its stream to this client alive.
    if (this.#egress.images.length === 0) {
      this.#awaitSince(nowNs);
      return;
    }
    if (publication === undefined || nowNs - this.#lastSendNs < this.#options.keepAliveIntervalNs) {
      return;
    }
    this.#lastSendNs = nowNs;
    const result = this.#writer.keepAlive(publication);
    if (result === NOT_CONNECTED || result === BACK_PRESSURED || result === CLOSED) {
      this.#awaitSince(nowNs);
    }
  }

  #awaitSince(nowNs: number): void {
    hit(Mark.ClientAwaitsLeader);
    this.#state = ClientState.AwaitingLeader;
    this.#awaitingSinceNs = nowNs;
  }

  #awaitLeader(nowNs: number): void {
    if (
      this.#egress.images.length > 0 &&
      this.#ingress?.isConnected === true &&
      this.#ingress.positionLimit() > this.#ingress.position()
    ) {
      hit(Mark.ClientLeaderBack);
      this.#state = ClientState.Connected;
    } else if (nowNs - this.#awaitingSinceNs > this.#options.newLeaderTimeoutNs) {
      hit(Mark.ClientGaveUpSession);
      this.#fail(
        ErrorCode.Timeout,
        `no leader was heard for ${this.#options.newLeaderTimeoutNs / 1e6} ms: ` +
          'the session is given up; open a new one when a majority of the members runs',
      );
    }
  }

  #checkSockets(): void {
    const failure = this.#egress.failure;
    if (failure !== undefined) {
      const message = `the egress socket failed: ${failure.message}`;
      this.#fail(ErrorCode.NetworkFailed, message);
    }
  }

  #fail(code: ErrorCode, message: string): void {
    this.#end(new PawlError(code, message, 'environment'));
  }

  #end(error: PawlError | undefined): void {
    this.#state = ClientState.Closed;
    this.#error = error;
    for (const publication of this.#connecting.values()) {
      publication.close();
    }
    this.#connecting.clear();
    this.#ingress?.close();
    this.#egress.close();
    if (!this.#isCloseReported) {
      this.#isCloseReported = true;
      this.#handlers.onClosed?.(error);
    }
  }
}
