// watched-service.ts: a user's service, with somebody looking over its shoulder.
//
// It stands between the service container and the service: the service sees what it would see in
// production, and every event, everything it sends and the moments before and after are told to an
// observer. The bytes of a message are given as a copy that is spoilt after the call, with another
// pattern on each member: a service that keeps a view of them holds nonsense in production too, and
// here the members' nonsense differs, so that it is found.

import { ErrorCode, PawlError } from '../../errors.js';
import type {
  ClientSession,
  CloseReason,
  Cluster,
  ClusteredService,
  LeadershipTerm,
  Role,
} from '../../service/clustered-service.js';
import { TraceHash } from '../trace-hash.js';
import { bytesText } from './state-sinks.js';

/** Where a message begins in the buffer that a service gets: a service has to respect it. */
const MESSAGE_OFFSET = 64;
const SPOILT_BYTE_BASE = 0xd0;
const CLOSE_WORD = 0x636c;
const SERVICE_MESSAGE_WORD = 0x736d;

export type WatchedEventKind =
  | 'start'
  | 'message'
  | 'session open'
  | 'session close'
  | 'timer'
  | 'service message'
  | 'leadership term';

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
}

/** What a service sent, and asked for, while it handled one event. */
export class EventOutputs {
  #hash = new TraceHash();
  /** In words; kept only while `isKept` is set. */
  readonly lines: string[] = [];
  isKept = false;
  count = 0;

  clear(): void {
    if (this.count > 0) {
      this.#hash = new TraceHash();
      this.lines.length = 0;
      this.count = 0;
    }
  }

  addMessage(sessionId: number, bytes: Uint8Array): void {
    this.count++;
    this.#hash.addInteger(sessionId);
    this.#hash.addBytes(bytes, 0, bytes.length);
    if (this.isKept) {
      this.lines.push(`to session ${sessionId}: ${messageText(bytes)}`);
    }
  }

  addClose(sessionId: number): void {
    this.count++;
    this.#hash.addWord(CLOSE_WORD);
    this.#hash.addInteger(sessionId);
    if (this.isKept) {
      this.lines.push(`closes session ${sessionId}`);
    }
  }

  /** @param deadline undefined where the timer is cancelled. */
  addTimer(correlationId: number, deadline: number | undefined, result: boolean): void {
    this.count++;
    this.#hash.addText(`${correlationId} ${deadline} ${result}`);
    if (this.isKept) {
      const what = deadline === undefined ? 'cancels' : `sets for ${deadline}`;
      this.lines.push(`${what} timer ${correlationId}, with the result ${result}`);
    }
  }

  addServiceMessage(bytes: Uint8Array): void {
    this.count++;
    this.#hash.addWord(SERVICE_MESSAGE_WORD);
    this.#hash.addBytes(bytes, 0, bytes.length);
    if (this.isKept) {
      this.lines.push(`into the log: ${messageText(bytes)}`);
    }
  }

  /** Stands for everything that was sent in this event. */
  digest(): string {
    return this.#hash.digest();
  }
}

/** Told what happens to one instance of a service. */
export interface ServiceObserver {
  /** Code of the service begins to run, and has ended. */
  onEnter(): void;
  onLeave(): void;
  onBeforeEvent(event: WatchedEvent, outputs: EventOutputs): void;
  onEvent(event: WatchedEvent, outputs: EventOutputs): void;
  /** Around a callback that must not change the state. */
  onBeforeLocal(callback: string): void;
  onAfterLocal(callback: string): void;
}

/** A session as the service sees it. */
class WatchedSession implements ClientSession {
  readonly #session: ClientSession;
  readonly #outputs: EventOutputs;

  constructor(session: ClientSession, outputs: EventOutputs) {
    this.#session = session;
    this.#outputs = outputs;
  }

  get id(): number {
    return this.#session.id;
  }

  get responseChannel(): string {
    return this.#session.responseChannel;
  }

  get responseStreamId(): number {
    return this.#session.responseStreamId;
  }

  get principal(): Uint8Array {
    return this.#session.principal;
  }

  get isClosing(): boolean {
    return this.#session.isClosing;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): number {
    const result = this.#session.offer(buffer, offset, length);
    if (result >= 0) {
      const start = buffer.byteOffset + offset;
      this.#outputs.addMessage(this.id, new Uint8Array(buffer.buffer, start, length));
    }
    return result;
  }
}

/** The cluster as the service sees it. */
class WatchedCluster implements Cluster {
  readonly #cluster: Cluster;
  readonly #outputs: EventOutputs;
  readonly #sessions = new Map<number, WatchedSession>();

  constructor(cluster: Cluster, outputs: EventOutputs) {
    this.#cluster = cluster;
    this.#outputs = outputs;
  }

  get memberId(): number {
    return this.#cluster.memberId;
  }

  get serviceId(): number {
    return this.#cluster.serviceId;
  }

  get role(): Role {
    return this.#cluster.role;
  }

  get egressMessageLengthMax(): number {
    return this.#cluster.egressMessageLengthMax;
  }

  get serviceMessageLengthMax(): number {
    return this.#cluster.serviceMessageLengthMax;
  }

  time(): number {
    return this.#cluster.time();
  }

  logPosition(): number {
    return this.#cluster.logPosition();
  }

  session(id: number): ClientSession | undefined {
    const session = this.#cluster.session(id);
    return session === undefined ? undefined : this.watched(session);
  }

  *sessions(): IterableIterator<ClientSession> {
    for (const session of this.#cluster.sessions()) {
      yield this.watched(session);
    }
  }

  closeSession(id: number): void {
    this.#cluster.closeSession(id);
    this.#outputs.addClose(id);
  }

  scheduleTimer(correlationId: number, deadline: number): boolean {
    const result = this.#cluster.scheduleTimer(correlationId, deadline);
    this.#outputs.addTimer(correlationId, deadline, result);
    return result;
  }

  cancelTimer(correlationId: number): boolean {
    const result = this.#cluster.cancelTimer(correlationId);
    this.#outputs.addTimer(correlationId, undefined, result);
    return result;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): number {
    const result = this.#cluster.offer(buffer, offset, length);
    if (result >= 0) {
      const start = buffer.byteOffset + offset;
      this.#outputs.addServiceMessage(new Uint8Array(buffer.buffer, start, length));
    }
    return result;
  }

  /** The one object that stands for a session, as long as it is open. */
  watched(session: ClientSession): WatchedSession {
    const known = this.#sessions.get(session.id);
    if (known !== undefined) {
      return known;
    }
    const watched = new WatchedSession(session, this.#outputs);
    this.#sessions.set(session.id, watched);
    return watched;
  }

  forget(id: number): void {
    this.#sessions.delete(id);
  }
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

  /** @param instance tells the instances of a run apart. */
  constructor(service: ClusteredService, observer: ServiceObserver, instance: number) {
    this.service = service;
    this.#observer = observer;
    this.#spoiltByte = (SPOILT_BYTE_BASE + instance) & 0xff;
    this.#reserve(1024);
  }

  onStart(cluster: Cluster): void {
    const watched = new WatchedCluster(cluster, this.#outputs);
    this.#cluster = watched;
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
    this.#event('onSessionMessage', event, () => {
      const { service } = this;
      const result: unknown = service.onSessionMessage(
        watched,
        timestamp,
        this.#view,
        MESSAGE_OFFSET,
        length,
      );
      this.#spoil(length);
      return result;
    });
  }

  onSessionOpen(session: ClientSession, timestamp: number): void {
    const watched = this.#watched(session);
    const event = eventOf('session open', this.#position(), timestamp, session.id);
    this.#event('onSessionOpen', event, () => this.service.onSessionOpen?.(watched, timestamp));
  }

  onSessionClose(session: ClientSession, timestamp: number, reason: CloseReason): void {
    const watched = this.#watched(session);
    this.#cluster?.forget(session.id);
    const event = eventOf('session close', this.#position(), timestamp, session.id);
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
    this.#event('onServiceMessage', event, () => {
      const { service } = this;
      const result: unknown = service.onServiceMessage?.(
        serviceId,
        timestamp,
        this.#view,
        MESSAGE_OFFSET,
        length,
      );
      this.#spoil(length);
      return result;
    });
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

  #watched(session: ClientSession): ClientSession {
    return this.#cluster?.watched(session) ?? session;
  }

  #position(): number {
    return this.#cluster?.logPosition() ?? 0;
  }

  #event(callback: string, event: WatchedEvent, run: () => unknown): void {
    const observer = this.#observer;
    this.#outputs.clear();
    observer.onBeforeEvent(event, this.#outputs);
    this.#enter(callback, run);
    observer.onEvent(event, this.#outputs);
  }

  #local(callback: string, run: () => unknown): void {
    this.#observer.onBeforeLocal(callback);
    this.#enter(callback, run);
    this.#observer.onAfterLocal(callback);
  }

  #enter(callback: string, run: () => unknown): void {
    this.#observer.onEnter();
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
      this.#observer.onLeave();
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

const PRINTABLE = /^[\x20-\x7e\n\t]*$/;
const MESSAGE_TEXT_MAX = 240;

/** A message as text where it is one, otherwise as hexadecimal digits. */
export function messageText(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes.subarray(0, MESSAGE_TEXT_MAX));
  if (bytes.length > 0 && PRINTABLE.test(text)) {
    const rest = bytes.length > MESSAGE_TEXT_MAX ? `… (${bytes.length} bytes)` : '';
    return `'${text}'${rest}`;
  }
  return bytesText(bytes);
}
