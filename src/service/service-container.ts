// service-container.ts: runs one service over the log.
//
// It decodes committed events, keeps the sessions that the log has opened, and calls the service.
// Nothing that reaches the service comes from anywhere else, so a replay of the log is the service.

import { assert } from '../assert.js';
import type { LiveLog, LogReader, MessageConsumer } from '../cluster/log-poller.js';
import { MessageAssembler } from '../cluster/message-assembler.js';
import type {
  EgressSink,
  Role,
  ServiceHost,
  ServiceHostContext,
  SnapshotSink,
  SnapshotStart,
} from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { ClusterActionRequestDecoder } from '../protocol/codecs/cluster-action-request.js';
import { type CloseReason, ClusterAction } from '../protocol/codecs/enumerations.js';
import { NewLeadershipTermEventDecoder } from '../protocol/codecs/new-leadership-term-event.js';
import { SessionCloseEventDecoder } from '../protocol/codecs/session-close-event.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { SessionOpenEventDecoder } from '../protocol/codecs/session-open-event.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { TimerEventDecoder } from '../protocol/codecs/timer-event.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import type {
  ClientSession,
  Cluster,
  ClusteredService,
  ServiceFactory,
} from './clustered-service.js';
import { ContainerSession } from './container-session.js';
import type { ReplyLimits } from './reply-cache.js';
import { ServiceImage } from './service-image.js';
import { ServiceQueries } from './service-queries.js';
import { ServiceRequests } from './service-requests.js';
import { ServiceSnapshot } from './service-snapshot.js';
import { ServiceTimers } from './service-timers.js';
import { SnapshotRecords } from './snapshot-records.js';

const TWO_POW_32 = 2 ** 32;

/** Hosts a service made by a factory. */
export class ServiceContainer implements ServiceHost, Cluster {
  readonly #service: ClusteredService;
  readonly #sessions = new Map<number, ContainerSession>();
  readonly #messageHeader = new SessionMessageHeaderDecoder();
  readonly #openEvent = new SessionOpenEventDecoder();
  readonly #closeEvent = new SessionCloseEventDecoder();
  readonly #termEvent = new NewLeadershipTermEventDecoder();
  readonly #timerEvent = new TimerEventDecoder();
  readonly #actionEvent = new ClusterActionRequestDecoder();
  readonly timers = new ServiceTimers();
  readonly requests: ServiceRequests;
  readonly queries: ServiceQueries;
  #consumer: MessageConsumer | undefined;
  // The session of the last message: the next one mostly comes from it too.
  #lastSession: ContainerSession | undefined;
  #poller: LogReader | undefined;
  #egress: EgressSink | undefined;
  #snapshots: SnapshotSink | undefined;
  #image: ServiceImage | undefined;
  #fragmentLimit = 0;
  #time = 0;
  #logPosition: Position = 0;
  #isInCallback = false;
  #isTerminated = false;
  memberId = -1;
  role: Role = 'follower';
  /** Session messages given to the service. */
  messageCount = 0;
  /** How long the service stood still for its last snapshot, and for the longest, nanoseconds. */
  snapshotPauseLastNs = 0;
  snapshotPauseMaxNs = 0;
  #nowNs: () => number = () => 0;

  /** @param replyLimits how many replies to requests are retained; equal on all members. */
  constructor(factory: ServiceFactory, replyLimits?: ReplyLimits) {
    this.#service = factory();
    if (typeof this.#service?.onSessionMessage !== 'function') {
      throw new PawlError(
        ErrorCode.ServiceInvalid,
        'the service has no onSessionMessage: createService() must return an object with it',
      );
    }
    this.requests = new ServiceRequests(this.#service, replyLimits);
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

  start(context: ServiceHostContext): void {
    this.memberId = context.memberId;
    this.#poller = context.poller;
    this.#egress = context.egress;
    this.requests.start(context.egress);
    this.queries.start(context.egress);
    this.#fragmentLimit = context.fragmentLimit;
    this.#consumer = {
      onSessionMessage: this.#onSessionMessage,
      onFragment: new MessageAssembler(this.#onMessage, context.messageLengthMax).onFragment,
    };
    this.#snapshots = context.snapshots;
    this.timers.listener = context.timerListener;
    this.#nowNs = context.nowNs ?? this.#nowNs;
    this.#image = context.snapshot === undefined ? undefined : this.#makeImage(context.snapshot);
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
      this.#call(() => this.#service.onTerminate?.(), false);
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
    return this.timers.schedule(correlationId, deadline);
  }

  cancelTimer(correlationId: number): boolean {
    if (!this.#isInCallback) {
      throw localCallError('cancelTimer');
    }
    return this.timers.cancel(correlationId);
  }

  /** Called by a session: a message for its client. */
  offer(session: ContainerSession, buffer: ArrayBufferView, offset: number, length: number): void {
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
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.SessionMessageHeader:
        this.#onLongMessage(view, offset, length, position);
        break;
      case TemplateId.RequestHeader:
        this.#onRequest(view, offset, length);
        break;
      case TemplateId.SessionOpenEvent:
        this.#onSessionOpen(view, offset);
        break;
      case TemplateId.SessionCloseEvent:
        this.#onSessionClose(view, offset);
        break;
      case TemplateId.TimerEvent:
        this.#onTimer(view, offset);
        break;
      case TemplateId.ClusterActionRequest:
        this.#onClusterAction(view, offset);
        break;
      case TemplateId.NewLeadershipTermEvent:
        this.#onNewLeadershipTerm(view, offset);
        break;
      default:
        // Events of newer versions that this one has no part in.
        break;
    }
  };

  /** A message that was fragmented, whole again. */
  #onLongMessage(view: DataView, offset: number, length: number, position: Position): void {
    const header = this.#messageHeader.wrapAndApplyHeader(view, offset);
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    this.#onSessionMessage(
      view,
      offset + headLength,
      length - headLength,
      header.clusterSessionId(),
      header.timestamp(),
      position,
    );
  }

  // An error of the service is told apart by #isInCallback, where the poll ends.
  readonly #onSessionMessage: MessageConsumer['onSessionMessage'] = (
    view,
    offset,
    length,
    clusterSessionId,
    timestamp,
    position,
  ) => {
    this.#logPosition = position;
    this.#advanceTime(timestamp);
    let session = this.#lastSession;
    if (session === undefined || session.id !== clusterSessionId) {
      session = this.#sessions.get(clusterSessionId);
      // The leader admits messages of open sessions only, but one may follow a close in the log.
      if (session === undefined) {
        return;
      }
      this.#lastSession = session;
    }
    this.messageCount++;
    this.#isInCallback = true;
    this.#service.onSessionMessage(session, timestamp, view, offset, length);
    this.#isInCallback = false;
  };

  #onRequest(view: DataView, offset: number, length: number): void {
    const request = this.requests.decode(view, offset);
    this.#advanceTime(request.timestamp);
    const session = this.#sessions.get(request.clusterSessionId);
    // As with messages, one may follow the close of its session: it is executed when it is retried.
    if (session !== undefined) {
      const position = this.#logPosition;
      this.#call(() => this.requests.apply(session, request, view, offset, length, position), true);
    }
  }

  #onSessionOpen(view: DataView, offset: number): void {
    const event = this.#openEvent.wrapAndApplyHeader(view, offset);
    const session = new ContainerSession(
      this,
      event.clusterSessionId(),
      event.responseStreamId(),
      event.responseChannel(),
    );
    assert(!this.#sessions.has(session.id), 'a session is opened once');
    this.#sessions.set(session.id, session);
    this.#advanceTime(event.timestamp());
    this.#call(() => this.#service.onSessionOpen?.(session, this.#time), true);
  }

  #onSessionClose(view: DataView, offset: number): void {
    const event = this.#closeEvent.wrapAndApplyHeader(view, offset);
    const session = this.#sessions.get(event.clusterSessionId());
    const reason = event.closeReason() as CloseReason;
    this.#advanceTime(event.timestamp());
    if (session !== undefined) {
      session.isClosing = true;
      this.#sessions.delete(session.id);
      this.#lastSession = undefined;
      this.#call(() => this.#service.onSessionClose?.(session, this.#time, reason), true);
    }
  }

  #onTimer(view: DataView, offset: number): void {
    const event = this.#timerEvent.wrapAndApplyHeader(view, offset);
    const correlationId = (event.correlationIdHigh() | 0) * TWO_POW_32 + event.correlationIdLow();
    this.#advanceTime(event.timestamp());
    if (this.timers.fire(correlationId, this.#time)) {
      this.#call(() => this.#service.onTimerEvent?.(correlationId, this.#time), true);
    }
  }

  #onNewLeadershipTerm(view: DataView, offset: number): void {
    const event = this.#termEvent.wrapAndApplyHeader(view, offset);
    this.#advanceTime(event.timestamp());
    const term = {
      leadershipTermId: event.leadershipTermId(),
      termBaseLogPosition: event.termBaseLogPosition(),
      leaderMemberId: event.leaderMemberId(),
      logPosition: this.#logPosition,
    };
    this.#call(() => this.#service.onNewLeadershipTermEvent?.(term, this.#time), true);
  }

  #onClusterAction(view: DataView, offset: number): void {
    const event = this.#actionEvent.wrapAndApplyHeader(view, offset);
    this.#advanceTime(event.timestamp());
    const isWanted = this.#snapshots?.wants(this.#logPosition) === true;
    if (event.action() === ClusterAction.Snapshot && isWanted) {
      this.#takeSnapshot(event.leadershipTermId());
    }
  }

  /** Freezes the state, here and now; it is encoded and written in later duty cycles. */
  #takeSnapshot(leadershipTermId: number): void {
    const beganNs = this.#nowNs();
    const records = new SnapshotRecords();
    this.#call(() => this.#service.onTakeSnapshot?.(records), false);
    const sessions = [...this.#sessions.values()];
    const closing = sessions.filter((session) => session.isClosing);
    this.#snapshots?.offer(
      new ServiceSnapshot({
        logPosition: this.#logPosition,
        leadershipTermId,
        appVersion: this.snapshotVersion,
        sessions,
        closing: new Set(closing.map((session) => session.id)),
        timers: [...this.timers.values()],
        replies: this.requests.replies.freeze(),
        records,
      }),
    );
    this.snapshotPauseLastNs = this.#nowNs() - beganNs;
    this.snapshotPauseMaxNs = Math.max(this.snapshotPauseMaxNs, this.snapshotPauseLastNs);
  }

  #makeImage(snapshot: SnapshotStart): ServiceImage {
    const { appVersion, logPosition, timestampMs } = snapshot;
    this.#logPosition = logPosition;
    this.#time = timestampMs;
    this.timers.advance(timestampMs);
    return new ServiceImage(logPosition, timestampMs, appVersion, {
      onSession: (id, responseStreamId, responseChannel) => {
        const session = new ContainerSession(this, id, responseStreamId, responseChannel);
        this.#sessions.set(id, session);
      },
      onClosing: (id) => {
        const session = this.#sessions.get(id);
        if (session !== undefined) {
          session.isClosing = true;
          this.#egress?.requestClose(id);
        }
      },
      replies: this.requests.replies,
      onTimer: (correlationId, deadlineMs) => {
        this.timers.schedule(correlationId, deadlineMs);
      },
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
    } catch (error) {
      throw serviceError(error, this.#logPosition);
    } finally {
      this.#isInCallback = false;
    }
  }
}

function localCallError(operation: string): PawlError {
  return new PawlError(
    ErrorCode.ServiceFailed,
    `${operation} was called outside a log event: onStart, onQuery, onRoleChange and onTerminate ` +
      'are local, and what they do must not reach the log or a client',
  );
}

function serviceError(error: unknown, position: Position): PawlError {
  if (error instanceof PawlError) {
    return error;
  }
  return new PawlError(
    ErrorCode.ServiceFailed,
    `the service threw at log position ${position}: ${String(error)}. ` +
      'Every member would do so at this event; repair the service and start again',
    'fatal',
    { cause: error },
  );
}
