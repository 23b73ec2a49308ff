// watched-cluster.ts: the cluster and its sessions as a watched service sees them: what is sent or
// asked for through them is noted.

import type { ClientSession, Cluster, Role } from '../../service/clustered-service.js';
import type { EventOutputs } from './event-outputs.js';

/** A session as the service sees it. */
export class WatchedSession implements ClientSession {
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
export class WatchedCluster implements Cluster {
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
