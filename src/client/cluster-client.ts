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
import { AdminRequestType, EventCode } from '../protocol/codecs/enumerations.js';
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
import { SESSION_TIMED_OUT } from '../protocol/streams.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import { FragmentAssembler } from '../transport/fragment-assembler.js';
import type { FragmentHandler } from '../transport/fragment-header.js';
import type { Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import type { ClientHandlers } from './client-handlers.js';
import type { ConcludedClientOptions } from './client-options.js';
import { ClientState } from './client-state.js';
import { type CredentialsSupplier, NO_CREDENTIALS } from './credentials.js';
import { EgressAnswers } from './egress-answers.js';
import { type EgressConsumer, EgressReader } from './egress-reader.js';
import {
  IngressWriter,
  REQUEST_MESSAGE_HEADER_LENGTH,
  type RequestNumbers,
  SESSION_HEADER_LENGTH,
} from './ingress-writer.js';
import { LeaderSearch } from './leader-search.js';
import { QUERY_HEADER_LENGTH, type QuerySource, QueryWriter } from './query-writer.js';

export type { ClientHandlers } from './client-handlers.js';
export { ClientState } from './client-state.js';
export type { AdminResponse } from './egress-answers.js';

export interface ClusterClientDependencies {
  readonly transport: Transport;
  readonly entropy: Entropy;
  readonly options: ConcludedClientOptions;
  readonly handlers: ClientHandlers;
  /** Where the cluster asks its clients who they are. */
  readonly credentials?: CredentialsSupplier | undefined;
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
  readonly #queryWriter: QueryWriter;
  readonly #search: LeaderSearch;
  readonly #answers: EgressAnswers;
  readonly #messageDecoder = new SessionMessageHeaderDecoder();
  readonly #sessionEvent = new SessionEventDecoder();
  readonly #newLeaderEvent = new NewLeaderEventDecoder();
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
    this.#writer = new IngressWriter(transport, this, options.mtuLength);
    this.#queryWriter = new QueryWriter(transport.arena, this, options.mtuLength);
    const { credentials = NO_CREDENTIALS } = dependencies;
    const [correlationId, writer] = [this.#correlationId, this.#writer];
    this.#search = new LeaderSearch({ transport, options, writer, credentials, correlationId });
    const { messageLengthMax } = options;
    const assembler = new FragmentAssembler(this.#onEgress, { messageLengthMax });
    this.#egress = transport.addSubscription(options.egressChannel, options.egressStreamId, {
      termLengthMax: options.egressTermLengthMax,
      windowLength: options.windowLength,
      // Every leader has a stream of its own.
      onUnavailableImage: ({ sessionId }) => assembler.release(sessionId),
    });
    this.#egressReader = new EgressReader(transport.arena, this.#egress, {
      onSessionMessage: this.#onSessionMessage,
      onFragment: assembler.onFragment,
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
    return Math.max(0, (this.#ingress?.maxMessageLength ?? 0) - SESSION_HEADER_LENGTH);
  }

  /** Longest body of a request, bytes; 0 before the session is open. */
  get maxRequestLength(): number {
    return Math.max(0, (this.#ingress?.maxMessageLength ?? 0) - REQUEST_MESSAGE_HEADER_LENGTH);
  }

  /**
   * Sends a message to the leader, at most once.
   *
   * @returns a positive stream position, or an OfferResult, which is negative.
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
    return Math.max(0, (this.#ingress?.maxMessageLength ?? 0) - QUERY_HEADER_LENGTH);
  }

  /**
   * Sends the first of some queries, as many as one message holds. Each may be sent again.
   *
   * @returns whether those that were taken were sent. @throws PawlError MESSAGE_TOO_LONG.
   */
  offerQueries(queries: QuerySource): boolean {
    const publication = this.#ingress;
    if (publication === undefined || this.#state !== ClientState.Connected) {
      return false;
    }
    const isSent = this.#queryWriter.offer(publication, queries);
    if (isSent) {
      this.#lastSendNs = this.#nowNs;
      // The leader works on them while this client goes on.
      this.#transport.flush();
    }
    return isSent;
  }

  /**
   * Asks the leader to have a snapshot taken, where this client may: `onAdminResponse` tells.
   *
   * @param correlationId comes back with the response; a safe integer from 0.
   * @returns as `offer`.
   */
  orderSnapshot(correlationId: number): number {
    const publication = this.#ingress;
    if (publication === undefined || this.#state !== ClientState.Connected) {
      return this.#state === ClientState.Closed ? CLOSED : NOT_CONNECTED;
    }
    const type = AdminRequestType.Snapshot;
    return this.#sent(this.#writer.adminRequest(publication, correlationId, type));
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
    this.#queryWriter.release();
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
        return Math.min(transportNs, this.#search.deadlineNs(this.#nowNs));
      case ClientState.Connected:
        return Math.min(transportNs, this.#lastSendNs + this.#options.keepAliveIntervalNs);
      case ClientState.AwaitingLeader:
        return Math.min(
          transportNs,
          this.#awaitingSinceNs + this.#options.newLeaderTimeoutNs,
          this.#lastSendNs + this.#options.keepAliveIntervalNs,
        );
      default:
        return transportNs;
    }
  }

  #connect(nowNs: number): number {
    const local = this.#egress.localEndpoint;
    const refusal = this.#search.refusal();
    if (refusal !== undefined) {
      hit(Mark.ClientStreamRefused);
      this.#fail(ErrorCode.SessionRefused, `the cluster refused the session: ${refusal}`);
      return 0;
    }
    if (nowNs - this.#startedNs > this.#options.connectTimeoutNs) {
      hit(Mark.ClientConnectTimedOut);
      const refusals = this.#search.refusals();
      this.#fail(
        ErrorCode.Timeout,
        `no leader answered within ${this.#options.connectTimeoutNs / 1e6} ms at ` +
          `${this.#search.endpointsText}: ` +
          'check that a majority of the members runs and that the endpoints are right' +
          (refusals === '' ? '' : `; ${refusals}`),
      );
      return 0;
    }
    if (local === undefined) {
      return 0;
    }
    return this.#search.ask(formatHostPort(local), nowNs);
  }

  readonly #onEgress: FragmentHandler = (view, offset, length) => {
    const templateId = messageTemplateId(view, offset, length);
    switch (templateId) {
      case TemplateId.SessionMessageHeader:
        this.#onLongMessage(view, offset, length);
        break;
      case TemplateId.SessionEvent:
        if (SessionEventDecoder.isValid(view, offset, length)) {
          this.#onSessionEvent(this.#sessionEvent.wrapAndApplyHeader(view, offset));
        }
        break;
      case TemplateId.Challenge:
        this.#onChallenge(view, offset, length);
        break;
      case TemplateId.NewLeaderEvent:
        if (NewLeaderEventDecoder.isValid(view, offset, length)) {
          this.#onNewLeader(this.#newLeaderEvent.wrapAndApplyHeader(view, offset));
        }
        break;
      default:
        this.#answers.onMessage(templateId, view, offset, length, this.clusterSessionId);
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

  #onChallenge(view: DataView, offset: number, length: number): void {
    const isAnswered =
      this.#state !== ClientState.Connecting || this.#search.onChallenge(view, offset, length);
    if (!isAnswered) {
      const reason = 'the cluster wants to know who this client is: give it credentials';
      this.#fail(ErrorCode.AuthenticationRejected, reason);
    }
  }

  #onSessionEvent(event: SessionEventDecoder): void {
    const isAnswer =
      this.#state === ClientState.Connecting &&
      BigInt.asUintN(64, event.correlationId()) === this.#correlationId;
    const code = event.code();
    if (code === EventCode.Ok && isAnswer) {
      this.#onOpened(event);
    } else if (code === EventCode.Redirect && isAnswer) {
      this.#search.onRedirect(event.leaderMemberId(), event.detail());
    } else if (code === EventCode.Closed && event.clusterSessionId() === this.clusterSessionId) {
      this.#onClosed(event.detail());
    } else if (code === EventCode.AuthenticationRejected && isAnswer) {
      const message = `the cluster did not let this client in: ${event.detail()}`;
      this.#fail(ErrorCode.AuthenticationRejected, message);
    } else if (code === EventCode.Error && isAnswer) {
      this.#fail(ErrorCode.SessionRefused, `the cluster refused the session: ${event.detail()}`);
    }
  }

  #onClosed(detail: string): void {
    const isExpired = detail.startsWith(SESSION_TIMED_OUT);
    hit(isExpired ? Mark.ClientSessionExpired : Mark.ClientSessionClosed);
    const code = isExpired ? ErrorCode.SessionExpired : ErrorCode.SessionClosed;
    this.#fail(code, `the cluster closed the session: ${detail}`);
  }

  #onOpened(event: SessionEventDecoder): void {
    const ingress = this.#search.finish(event.leaderMemberId(), event.detail());
    if (ingress === undefined) {
      return;
    }
    this.#ingress = ingress;
    this.clusterSessionId = event.clusterSessionId();
    this.leadershipTermId = event.leadershipTermId();
    this.leaderMemberId = event.leaderMemberId();
    this.#state = ClientState.Connected;
    this.#lastSendNs = this.#nowNs;
    this.#handlers.onConnected?.(this.clusterSessionId);
  }

  #onNewLeader(event: NewLeaderEventDecoder): void {
    const termId = event.leadershipTermId();
    const isMine = event.clusterSessionId() === this.clusterSessionId;
    if (!isMine || !Number.isSafeInteger(termId) || termId <= this.leadershipTermId) {
      return;
    }
    hit(Mark.ClientNewLeader);
    this.leadershipTermId = termId;
    this.leaderMemberId = event.leaderMemberId();
    this.#ingress?.close();
    this.#search.onNewLeader(event.ingressEndpoints());
    this.#ingress = this.#search.openTo(this.leaderMemberId);
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
    this.#ingress ??= this.#search.openTo(this.leaderMemberId);
    if (
      this.#egress.images.length > 0 &&
      this.#ingress?.isConnected === true &&
      this.#ingress.positionLimit() > this.#ingress.position()
    ) {
      hit(Mark.ClientLeaderBack);
      this.#state = ClientState.Connected;
      return;
    }
    this.#askAfterSession(nowNs);
    if (nowNs - this.#awaitingSinceNs > this.#options.newLeaderTimeoutNs) {
      hit(Mark.ClientGaveUpSession);
      this.#fail(
        ErrorCode.Timeout,
        `no leader was heard for ${this.#options.newLeaderTimeoutNs / 1e6} ms: ` +
          'the session is given up; open a new one when a majority of the members runs' +
          this.#search.whyNot(this.leaderMemberId, this.#ingress),
      );
    }
  }

  /** Whoever knows that the log has closed the session says so when it hears of it. */
  #askAfterSession(nowNs: number): void {
    if (nowNs - this.#lastSendNs >= this.#options.keepAliveIntervalNs) {
      this.#lastSendNs = nowNs;
      if (this.#ingress?.isConnected === true) {
        this.#writer.keepAlive(this.#ingress);
      }
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
    this.#search.close();
    this.#ingress?.close();
    this.#egress.close();
    if (!this.#isCloseReported) {
      this.#isCloseReported = true;
      this.#handlers.onClosed?.(error);
    }
  }
}
