// watched-service.ts: a user's service, with somebody looking over its shoulder.
//
// It stands between the service container and the service: the service sees what it would see in
// production, and every event, everything it sends and the moments before and after are told to an
// observer. The bytes of a message are given as a copy that is spoilt after the call, with another
// pattern on each member: a service that keeps a view of them holds nonsense in production too, and
// here the members' nonsense differs, so that it is found.

import { ErrorCode, PawlError } from '../../errors.js';
import type {
  ClientQuery,
  ClientRequest,
  ClientSession,
  CloseReason,
  Cluster,
  ClusteredService,
  LeadershipTerm,
  Role,
} from '../../service/clustered-service.js';
import type { SnapshotImage, SnapshotPublication } from '../../service/snapshot-publication.js';
import { EventOutputs } from './event-outputs.js';
import { WatchedCluster, WatchedSession } from './watched-cluster.js';
import { type QueryOutcome, WatchedQuery } from './watched-query.js';
import { WatchedRequest } from './watched-request.js';
import { WatchedPublication } from './watched-snapshot.js';

/** Where a message begins in the buffer that a service gets: a service has to respect it. */
const MESSAGE_OFFSET = 64;
const SPOILT_BYTE_BASE = 0xd0;

export type WatchedEventKind =
  | 'start'
  | 'message'
  | 'request'
  | 'session open'
  | 'session close'
  | 'timer'
  | 'service message'
  | 'leadership term'
  /** A snapshot is taken here, and what an instance is that was made from one of here. */
  | 'snapshot'
  | 'load';

/** An event as the service got it. */
export interface WatchedEvent {
  readonly kind: WatchedEventKind;
  /** Log position after the event; where the log begins for a start. */
  readonly position: number;
  readonly timestamp: number;
  /** 0 where no session has a part in the event. */
  readonly sessionId: number;
  /** A message's bytes, valid until the service has handled it. */
  readonly bytes: Uint8Array | undefined;
  /** Correlation id of a timer that has fired; 0 otherwise. */
  readonly timerId: number;
  /** Why a session was closed. */
  readonly closeReason?: CloseReason;
}

/** Told what happens to one instance of a service. */
export interface ServiceObserver {
  /** Code of the service begins to run. */
  onEnter(): void;
  /** It has ended. Returns what is wrong with how it ran, if anything is. */
  onLeave(): string | undefined;
  onBeforeEvent(event: WatchedEvent, outputs: EventOutputs): void;
  onEvent(event: WatchedEvent, outputs: EventOutputs): void;
  /** Around a callback that must not change the state. */
  onBeforeLocal(callback: string): void;
  onAfterLocal(callback: string): void;
  /** Around a query, which must not change the state either. */
  onBeforeQuery(): void;
  onAfterQuery(outcome: QueryOutcome): void;
}

/** Names what the service may hold and is not its state. */
export function opaqueNameOf(value: object): string | undefined {
  if (value instanceof WatchedSession) {
    return `session ${value.id}`;
  }
  return value instanceof WatchedCluster ? 'the cluster' : messageViewName(value);
}

const messageViews = new WeakSet<object>();

/** A decoder may hold the view of the last message until it wraps the next. */
function messageViewName(value: object): string | undefined {
  return messageViews.has(value) ? 'the view of the message' : undefined;
}

/** The service that the container runs. */
export class WatchedService implements ClusteredService {
  readonly service: ClusteredService;
  readonly #observer: ServiceObserver;
  readonly #outputs = new EventOutputs();
  readonly #spoiltByte: number;
  #cluster: WatchedCluster | undefined;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** The event of which the service is being brought to the state; undefined when it is there. */
  #loading: WatchedEvent | undefined;
  // Left out where the service has none: then it is asked for none, as in production.
  readonly onQuery?: NonNullable<ClusteredService['onQuery']>;
  readonly onRequest?: NonNullable<ClusteredService['onRequest']>;
  readonly onTakeSnapshot?: NonNullable<ClusteredService['onTakeSnapshot']>;

  /** @param instance tells the instances of a run apart. */
  constructor(service: ClusteredService, observer: ServiceObserver, instance: number) {
    this.service = service;
    this.#observer = observer;
    this.#spoiltByte = (SPOILT_BYTE_BASE + instance) & 0xff;
    this.#reserve(1024);
    if (service.onQuery !== undefined) {
      this.onQuery = (...query) => this.#runQuery(...query);
    }
    if (service.onRequest !== undefined) {
      this.onRequest = (...request) => this.#runRequest(...request);
    }
    if (service.onTakeSnapshot !== undefined) {
      this.onTakeSnapshot = (snapshot) => this.#takeSnapshot(snapshot);
    }
  }

  get snapshotVersion(): number {
    return this.service.snapshotVersion ?? 0;
  }

  onStart(cluster: Cluster, image?: SnapshotImage): void {
    const watched = new WatchedCluster(cluster, this.#outputs);
    this.#cluster = watched;
    if (image !== undefined) {
      this.#startFrom(image, watched);
      return;
    }
    this.#event('onStart', eventOf('start', cluster.logPosition(), 0), () =>
      this.service.onStart?.(watched),
    );
  }

  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const bytes = this.#copyOf(buffer, offset, length);
    const watched = this.#watched(session);
    const event = eventOf('message', this.#position(), timestamp, session.id, bytes);
    this.#message('onSessionMessage', event, length, () =>
      this.service.onSessionMessage(watched, timestamp, this.#view, MESSAGE_OFFSET, length),
    );
  }

  onSessionOpen(session: ClientSession, timestamp: number): void {
    const watched = this.#watched(session);
    const event = eventOf('session open', this.#position(), timestamp, session.id);
    this.#event('onSessionOpen', event, () => this.service.onSessionOpen?.(watched, timestamp));
  }

  onSessionClose(session: ClientSession, timestamp: number, reason: CloseReason): void {
    const watched = this.#watched(session);
    this.#cluster?.forget(session.id);
    const closed = eventOf('session close', this.#position(), timestamp, session.id);
    const event = { ...closed, closeReason: reason };
    this.#event('onSessionClose', event, () =>
      this.service.onSessionClose?.(watched, timestamp, reason),
    );
  }

  onTimerEvent(correlationId: number, timestamp: number): void {
    const event = { ...eventOf('timer', this.#position(), timestamp), timerId: correlationId };
    this.#event('onTimerEvent', event, () => this.service.onTimerEvent?.(correlationId, timestamp));
  }

  onServiceMessage(
    serviceId: number,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const bytes = this.#copyOf(buffer, offset, length);
    const event = eventOf('service message', this.#position(), timestamp, 0, bytes);
    this.#message('onServiceMessage', event, length, () =>
      this.service.onServiceMessage?.(serviceId, timestamp, this.#view, MESSAGE_OFFSET, length),
    );
  }

  onNewLeadershipTermEvent(term: LeadershipTerm, timestamp: number): void {
    const event = eventOf('leadership term', this.#position(), timestamp);
    this.#event('onNewLeadershipTermEvent', event, () =>
      this.service.onNewLeadershipTermEvent?.(term, timestamp),
    );
  }

  onRoleChange(role: Role): void {
    this.#local('onRoleChange', () => this.service.onRoleChange?.(role));
  }

  onTerminate(): void {
    this.#local('onTerminate', () => this.service.onTerminate?.());
  }

  /** The snapshot that the instance was started from is loaded to its end. */
  onLoaded(): void {
    const event = this.#loading;
    this.#loading = undefined;
    if (event !== undefined) {
      this.#observer.onEvent(event, this.#outputs);
    }
  }

  #startFrom(image: SnapshotImage, cluster: WatchedCluster): void {
    const { logPosition, timestamp, version } = image;
    this.#loading = eventOf('load', logPosition, timestamp);
    this.#outputs.clear();
    this.#observer.onBeforeEvent(this.#loading, this.#outputs);
    const watched: SnapshotImage = {
      ...{ logPosition, timestamp, version },
      read: (handler) =>
        image.read((buffer, offset, length) => {
          this.#copyOf(buffer, offset, length);
          this.#enter('the handler of snapshot.read()', () => {
            handler(this.#view, MESSAGE_OFFSET, length);
            this.#spoil(length);
          });
        }),
    };
    this.#enter('onStart', () => this.service.onStart?.(cluster, watched));
  }

  /** Where a snapshot is taken the state is known, and taking it must leave that as it is. */
  #takeSnapshot(snapshot: SnapshotPublication): void {
    this.onLoaded();
    const time = this.#cluster?.time() ?? 0;
    const event = eventOf('snapshot', this.#position(), time);
    const enter = (run: () => unknown): void => this.#enter('a view of a snapshot', run);
    const watched = new WatchedPublication(snapshot, this.#outputs, enter);
    this.#outputs.clear();
    this.#observer.onBeforeEvent(event, this.#outputs);
    this.#local('onTakeSnapshot', () => this.service.onTakeSnapshot?.(watched));
    this.#observer.onEvent(event, this.#outputs);
  }

  #runRequest(
    request: ClientRequest,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const bytes = this.#copyOf(buffer, offset, length);
    const session = this.#watched(request.session);
    const watched = new WatchedRequest(request, session, this.#outputs);
    const event = eventOf('request', this.#position(), timestamp, session.id, bytes);
    this.#message('onRequest', event, length, () =>
      this.service.onRequest?.(watched, timestamp, this.#view, MESSAGE_OFFSET, length),
    );
  }

  /** A query has a buffer of its own: a view of a message that was kept shows nonsense here too. */
  #runQuery(query: ClientQuery, buffer: DataView, offset: number, length: number): void {
    const { service } = this;
    this.onLoaded();
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
    const given = new Uint8Array(MESSAGE_OFFSET + length);
    given.set(bytes, MESSAGE_OFFSET);
    const view = new DataView(given.buffer);
    messageViews.add(view);
    const watched = new WatchedQuery(query, this.#watched(query.session));
    let error: unknown;
    this.#observer.onBeforeQuery();
    try {
      this.#enter('onQuery', () => service.onQuery?.(watched, view, MESSAGE_OFFSET, length));
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      given.fill(this.#spoiltByte);
      const { id: sessionId } = query.session;
      const { answer } = watched;
      this.#observer.onAfterQuery({ sessionId, query: bytes, answer, error });
    }
  }

  #watched(session: ClientSession): ClientSession {
    return this.#cluster?.watched(session) ?? session;
  }

  #position(): number {
    return this.#cluster?.logPosition() ?? 0;
  }

  #event(callback: string, event: WatchedEvent, run: () => unknown): void {
    const observer = this.#observer;
    this.onLoaded();
    this.#outputs.clear();
    observer.onBeforeEvent(event, this.#outputs);
    this.#enter(callback, run);
    observer.onEvent(event, this.#outputs);
  }

  /** An event with a message, which the service may use while it runs and no longer. */
  #message(callback: string, event: WatchedEvent, length: number, run: () => unknown): void {
    this.#event(callback, event, () => {
      const result = run();
      this.#spoil(length);
      return result;
    });
  }

  #local(callback: string, run: () => unknown): void {
    this.#observer.onBeforeLocal(callback);
    this.#enter(callback, run);
    this.#observer.onAfterLocal(callback);
  }

  #enter(callback: string, run: () => unknown): void {
    this.#observer.onEnter();
    let fault: string | undefined;
    try {
      const result = run();
      if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
        throw new PawlError(
          ErrorCode.ServiceFailed,
          `${callback} returned a promise: a callback must have done all its work when it ` +
            'returns, because what it does later has no place in the log',
        );
      }
    } finally {
      fault = this.#observer.onLeave();
    }
    if (fault !== undefined) {
      throw new PawlError(ErrorCode.ServiceFailed, `${callback} ${fault}`);
    }
  }

  /** Copies a message to where the service gets it. Returns the bytes themselves. */
  #copyOf(buffer: DataView, offset: number, length: number): Uint8Array {
    this.#reserve(length);
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    this.#bytes.set(bytes, MESSAGE_OFFSET);
    return bytes;
  }

  /** What the service kept of the message is now worth nothing. */
  #spoil(length: number): void {
    this.#bytes.fill(this.#spoiltByte, MESSAGE_OFFSET, MESSAGE_OFFSET + length);
  }

  #reserve(length: number): void {
    if (this.#bytes.length < MESSAGE_OFFSET + length) {
      this.#bytes = new Uint8Array(2 * (MESSAGE_OFFSET + length));
      this.#view = new DataView(this.#bytes.buffer);
      messageViews.add(this.#view);
    }
  }
}

function eventOf(
  kind: WatchedEventKind,
  position: number,
  timestamp: number,
  sessionId = 0,
  bytes?: Uint8Array,
): WatchedEvent {
  return { kind, position, timestamp, sessionId, bytes, timerId: 0 };
}
