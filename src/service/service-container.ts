// service-container.ts: runs one service over the log.
//
// It keeps what the log says of sessions, timers, requests and messages, and calls the service.
// Nothing that reaches the service comes from anywhere else, so a replay of the log is the service.

import { assert } from '../assert.js';
import type { LiveLog, LogReader, MessageConsumer } from '../cluster/log-poller.js';
import { SERVICE_MESSAGE_HEADER_LENGTH } from '../cluster/log-publisher.js';
import { MessageAssembler } from '../cluster/message-assembler.js';
import type { Hash64 } from '../cluster/output-history.js';
import {
  ANSWERING_SERVICE_ID,
  type EgressSink,
  type Role,
  type ServiceHost,
  type ServiceHostContext,
  type SnapshotSink,
  type SnapshotStart,
} from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { type CloseReason, ClusterAction } from '../protocol/codecs/enumerations.js';
import {
  type ClientSession,
  type Cluster,
  type ClusteredService,
  type LeadershipTerm,
  type ServiceFactory,
  ServiceMessageResult,
} from './clustered-service.js';
import type { ContainerSession, OpenedSession } from './container-session.js';
import { ContainerSessions } from './container-sessions.js';
import { type LogEventHandler, LogEventReader } from './log-event-reader.js';
import { HashedEgress, OutputHasher, OutputKind } from './output-hasher.js';
import type { ReplyLimits } from './reply-cache.js';
import { localCallError, serviceError } from './service-errors.js';
import { ServiceImage } from './service-image.js';
import {
  type LoggedServiceMessage,
  type PendingMessageLimits,
  ServiceMessages,
} from './service-messages.js';
import { ServiceQueries } from './service-queries.js';
import { ServiceRequests } from './service-requests.js';
import { ServiceSnapshot } from './service-snapshot.js';
import { ServiceTimers } from './service-timers.js';
import { SnapshotRecords } from './snapshot-records.js';

const NO_OUTPUT: Hash64 = { low: 0, high: 0 };

/** Equal on all members. */
export interface ContainerOptions {
  /** Place of the service among those of the member. Default 0. */
  readonly serviceId?: number;
  /** How many replies to requests are retained. */
  readonly replyLimits?: ReplyLimits | undefined;
  /** How many messages of the service may wait for the log. */
  readonly messageLimits?: PendingMessageLimits | undefined;
}

/** Whoever would never be asked is told before it has waited in vain. */
function checkAnswers(service: ClusteredService, serviceId: number): void {
  for (const name of ['onRequest', 'onQuery'] as const) {
    if (serviceId !== ANSWERING_SERVICE_ID && service[name] !== undefined) {
      throw new PawlError(
        ErrorCode.ConfigurationInvalid,
        `service ${serviceId} has ${name}, which would never be called: requests and queries of ` +
          `clients are for service ${ANSWERING_SERVICE_ID} alone; name it first of the services, ` +
          `or leave ${name} out of it`,
      );
    }
  }
}

/** Hosts a service made by a factory. */
export class ServiceContainer implements ServiceHost, Cluster, LogEventHandler {
  readonly #service: ClusteredService;
  readonly #sessions = new ContainerSessions(this);
  readonly #events = new LogEventReader(this);
  readonly serviceId: number;
  readonly timers = new ServiceTimers();
  readonly messages: ServiceMessages;
  readonly requests: ServiceRequests;
  readonly queries: ServiceQueries;
  #consumer: MessageConsumer | undefined;
  #poller: LogReader | undefined;
  #egress: EgressSink | undefined;
  #outputs: OutputHasher | undefined;
  #snapshots: SnapshotSink | undefined;
  #image: ServiceImage | undefined;
  #fragmentLimit = 0;
  #messageLengthMax = 0;
  #time = 0;
  #logPosition: Position = 0;
  #isInCallback = false;
  #isTerminated = false;
  memberId = -1;
  role: Role = 'follower';
  /** Session messages given to the service. */
  messageCount = 0;
  /** Messages of services given to the service. */
  serviceMessageCount = 0;

  constructor(factory: ServiceFactory, options: ContainerOptions = {}) {
    this.serviceId = options.serviceId ?? 0;
    this.#service = factory();
    if (typeof this.#service?.onSessionMessage !== 'function') {
      throw new PawlError(
        ErrorCode.ServiceInvalid,
        'the service has no onSessionMessage: createService() must return an object with it',
      );
    }
    checkAnswers(this.#service, this.serviceId);
    this.messages = new ServiceMessages(this.serviceId, options.messageLimits);
    this.requests = new ServiceRequests(this.#service, options.replyLimits);
    this.queries = new ServiceQueries(this.#service);
  }

  /** The hosted service, for state hashes. */
  get service(): ClusteredService {
    return this.#service;
  }

  get snapshotVersion(): number {
    const { onTakeSnapshot, snapshotVersion } = this.#service;
    return onTakeSnapshot === undefined ? -1 : (snapshotVersion ?? 0);
  }

  /** Messages of the log that had no effect, because they are not whole. */
  get invalidMessageCount(): number {
    return this.#events.invalidCount;
  }

  /** It takes what it is given at once. */
  readonly canLoad = true;

  get isTerminated(): boolean {
    return this.#isTerminated || this.#poller === undefined;
  }

  get position(): Position {
    return this.#poller?.position ?? 0;
  }

  get egressMessageLengthMax(): number {
    return this.#egress?.messageLengthMax ?? 0;
  }

  get serviceMessageLengthMax(): number {
    return this.#messageLengthMax - SERVICE_MESSAGE_HEADER_LENGTH;
  }

  start(context: ServiceHostContext): void {
    assert(!this.#isTerminated, 'no service is started that was told of the end');
    this.memberId = context.memberId;
    this.#poller = context.poller;
    this.#outputs = new OutputHasher(context.outputs);
    this.#egress = new HashedEgress(context.egress, this.#outputs);
    this.requests.start(this.#egress);
    // Answers to queries are the member's own, and no output of the log.
    this.queries.start(context.egress);
    this.#fragmentLimit = context.fragmentLimit;
    this.#messageLengthMax = context.messageLengthMax;
    this.#consumer = {
      onSessionMessage: this.onSessionMessage,
      onFragment: new MessageAssembler(this.#onMessage, context.messageLengthMax).onFragment,
    };
    this.#snapshots = context.snapshots;
    this.timers.listener = context.timerListener;
    this.messages.listener = context.messageListener;
    if (context.snapshot === undefined) {
      this.#outputs.begin(0, NO_OUTPUT);
    } else {
      this.#image = this.#makeImage(context.snapshot);
    }
    this.#call(() => this.#service.onStart?.(this, this.#image), false);
  }

  loadSnapshot(view: DataView, offset: number, length: number): void {
    this.#call(() => this.#image?.onMessage(view, offset, length), false);
  }

  setLive(live: LiveLog | undefined): void {
    this.#poller?.setLive(live);
  }

  onRoleChange(role: Role): void {
    if (role !== this.role) {
      this.role = role;
      this.#call(() => this.#service.onRoleChange?.(role), false);
    }
  }

  doWork(limit: Position): number {
    if (this.#poller === undefined || this.#consumer === undefined || this.#isTerminated) {
      return 0;
    }
    try {
      const work = this.#poller.pollMessages(this.#consumer, limit, this.#fragmentLimit);
      if (work > 0) {
        this.timers.advance(this.#time);
      }
      return work;
    } catch (error) {
      throw this.#isInCallback ? serviceError(error, this.#logPosition) : error;
    } finally {
      this.#isInCallback = false;
    }
  }

  query(sessionId: number, queryId: number, view: DataView, offset: number, length: number): void {
    const session = this.#sessions.get(sessionId);
    // The log may have closed it meanwhile.
    if (session === undefined || session.isClosing) {
      hit(Mark.ReadOfClosedSession);
      return;
    }
    this.queries.run(session, queryId, this.position, view, offset, length);
  }

  terminate(): void {
    if (!this.#isTerminated) {
      this.#isTerminated = true;
      if (this.#poller !== undefined) {
        this.#call(() => this.#service.onTerminate?.(), false);
      }
    }
  }

  close(): void {
    this.#poller?.close();
    this.#poller = undefined;
  }

  time(): number {
    return this.#time;
  }

  logPosition(): Position {
    return this.#logPosition;
  }

  session(id: number): ClientSession | undefined {
    return this.#sessions.get(id);
  }

  sessions(): IterableIterator<ClientSession> {
    return this.#sessions.values();
  }

  closeSession(id: number): void {
    if (!this.#isInCallback) {
      throw localCallError('closeSession');
    }
    const session = this.#sessions.get(id);
    if (session !== undefined && !session.isClosing) {
      session.isClosing = true;
      this.#egress?.requestClose(id);
    }
  }

  scheduleTimer(correlationId: number, deadline: number): boolean {
    if (!this.#isInCallback) {
      throw localCallError('scheduleTimer');
    }
    const isPending = this.timers.schedule(correlationId, deadline);
    const kind = isPending ? OutputKind.TimerScheduled : OutputKind.TimerRefused;
    this.#outputs?.add(kind, correlationId, deadline);
    return isPending;
  }

  cancelTimer(correlationId: number): boolean {
    if (!this.#isInCallback) {
      throw localCallError('cancelTimer');
    }
    const wasPending = this.timers.cancel(correlationId);
    const kind = wasPending ? OutputKind.TimerCancelled : OutputKind.TimerUnknown;
    this.#outputs?.add(kind, correlationId, 0);
    return wasPending;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): number {
    if (!this.#isInCallback) {
      throw localCallError('offer');
    }
    if (length > this.serviceMessageLengthMax) {
      return ServiceMessageResult.TooLong;
    }
    const result = this.messages.offer(this.#logPosition, buffer, offset, length);
    if (result >= 0) {
      const { ServiceMessage } = OutputKind;
      this.#outputs?.addBytes(ServiceMessage, this.serviceId, buffer, offset, length);
    }
    return result;
  }

  /** Called by a session: a message for its client. */
  offerEgress(
    session: ContainerSession,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    if (!this.#isInCallback) {
      throw localCallError('offer');
    }
    this.#egress?.offer(session.id, this.#time, buffer, offset, length);
  }

  readonly #onMessage = (
    view: DataView,
    offset: number,
    length: number,
    position: Position,
  ): void => {
    this.#logPosition = position;
    this.#events.onMessage(view, offset, length, position);
  };

  // --- events, as the reader decodes them ---

  // An error of the service is told apart by #isInCallback, where the poll ends.
  readonly onSessionMessage: MessageConsumer['onSessionMessage'] = (
    view,
    offset,
    length,
    clusterSessionId,
    timestamp,
    position,
  ) => {
    this.#logPosition = position;
    this.#advanceTime(timestamp);
    const session = this.#sessions.get(clusterSessionId);
    // The leader admits messages of open sessions only, but one may follow a close in the log.
    if (session !== undefined) {
      this.messageCount++;
      this.#isInCallback = true;
      this.#service.onSessionMessage(session, timestamp, view, offset, length);
      this.#isInCallback = false;
      this.#outputs?.onEventEnd(position);
    }
  };

  onServiceMessage(
    message: LoggedServiceMessage,
    timestamp: number,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    this.#advanceTime(timestamp);
    if (this.messages.admit(message)) {
      this.serviceMessageCount++;
      const { serviceId } = message;
      this.#call(
        () => this.#service.onServiceMessage?.(serviceId, timestamp, view, offset, length),
        true,
      );
    }
  }

  onRequest(view: DataView, offset: number, length: number): void {
    const request = this.requests.decode(view, offset);
    this.#advanceTime(request.timestamp);
    const session = this.#sessions.get(request.clusterSessionId);
    // As with messages, one may follow the close of its session: it is executed when it is retried.
    if (session !== undefined && this.serviceId === ANSWERING_SERVICE_ID) {
      const position = this.#logPosition;
      // The client's id is that of its first session: whoever that was is whoever it is.
      const owner = this.#sessions.get(request.clientId)?.principal ?? session.principal;
      this.#call(
        () => this.requests.apply(session, owner, request, view, offset, length, position),
        true,
      );
    }
  }

  onSessionOpen(opened: OpenedSession, timestamp: number): void {
    const session = this.#sessions.open(opened);
    this.#advanceTime(timestamp);
    this.#call(() => this.#service.onSessionOpen?.(session, timestamp), true);
  }

  onSessionClose(id: number, timestamp: number, reason: CloseReason): void {
    this.#advanceTime(timestamp);
    const session = this.#sessions.close(id);
    if (session !== undefined) {
      this.#call(() => this.#service.onSessionClose?.(session, timestamp, reason), true);
    }
  }

  onTimer(serviceId: number, correlationId: number, timestamp: number): void {
    this.#advanceTime(timestamp);
    if (serviceId === this.serviceId && this.timers.fire(correlationId, timestamp)) {
      this.#call(() => this.#service.onTimerEvent?.(correlationId, timestamp), true);
    }
  }

  onNewLeadershipTerm(term: LeadershipTerm, timestamp: number): void {
    this.#advanceTime(timestamp);
    this.#call(() => this.#service.onNewLeadershipTermEvent?.(term, timestamp), true);
  }

  onClusterAction(action: number, leadershipTermId: number, timestamp: number): void {
    this.#advanceTime(timestamp);
    const isWanted = this.#snapshots?.wants(this.#logPosition) === true;
    if (action === ClusterAction.Snapshot && isWanted) {
      this.#takeSnapshot(leadershipTermId);
    }
  }

  /** Freezes the state, here and now; it is encoded and written in later duty cycles. */
  #takeSnapshot(leadershipTermId: number): void {
    const records = new SnapshotRecords();
    this.#call(() => this.#service.onTakeSnapshot?.(records), false);
    const messages = this.messages.freeze();
    if (messages.pending.length > 0) {
      hit(Mark.ServiceMessagesInSnapshot);
    }
    this.#snapshots?.offer(
      new ServiceSnapshot({
        serviceId: this.serviceId,
        logPosition: this.#logPosition,
        leadershipTermId,
        appVersion: this.snapshotVersion,
        sessions: [...this.#sessions.values()],
        closing: this.#sessions.closingIds(),
        timers: [...this.timers.values()],
        messages,
        replies: this.requests.replies.freeze(),
        outputs: this.#outputs?.hash(),
        records,
      }),
    );
  }

  #makeImage(snapshot: SnapshotStart): ServiceImage {
    const { appVersion, logPosition, timestampMs } = snapshot;
    this.#logPosition = logPosition;
    this.#time = timestampMs;
    this.timers.advance(timestampMs);
    return new ServiceImage(logPosition, timestampMs, appVersion, {
      onSession: (opened) => {
        this.#sessions.open(opened);
      },
      onClosing: (id) => {
        const session = this.#sessions.get(id);
        if (session !== undefined) {
          session.isClosing = true;
          // The event that is on its way is known; what it hashes is set when all is loaded.
          this.#egress?.requestClose(id);
        }
      },
      replies: this.requests.replies,
      messages: this.messages,
      onTimer: (correlationId, deadlineMs) => {
        this.timers.schedule(correlationId, deadlineMs);
      },
      onOutputs: (hash) => this.#outputs?.begin(logPosition, hash),
    });
  }

  #advanceTime(timestamp: number): void {
    assert(timestamp >= this.#time, 'log time never goes back');
    this.#time = timestamp;
  }

  #call(callback: () => void, isLogEvent: boolean): void {
    this.#isInCallback = isLogEvent;
    try {
      callback();
      this.#outputs?.onEventEnd(this.#logPosition);
    } catch (error) {
      throw serviceError(error, this.#logPosition);
    } finally {
      this.#isInCallback = false;
    }
  }
}
