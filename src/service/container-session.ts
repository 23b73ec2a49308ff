// container-session.ts: a client's session as the service holds it.

import { type ClientSession, EgressResult } from './clustered-service.js';

/** Where a session's messages go. */
export interface SessionOwner {
  readonly egressMessageLengthMax: number;
  offerEgress(
    session: ContainerSession,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void;
}

/** What a session was opened with. */
export interface OpenedSession {
  readonly id: number;
  readonly responseStreamId: number;
  readonly responseChannel: string;
  readonly principal: Uint8Array;
}

/** One session. Its answers depend on the log and on fixed limits alone. */
export class ContainerSession implements ClientSession {
  readonly #owner: SessionOwner;
  readonly id: number;
  readonly responseStreamId: number;
  readonly responseChannel: string;
  readonly principal: Uint8Array;
  isClosing = false;

  constructor(owner: SessionOwner, opened: OpenedSession) {
    this.#owner = owner;
    this.id = opened.id;
    this.responseStreamId = opened.responseStreamId;
    this.responseChannel = opened.responseChannel;
    this.principal = opened.principal;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): number {
    if (this.isClosing) {
      return EgressResult.Closed;
    }
    if (length > this.#owner.egressMessageLengthMax) {
      return EgressResult.TooLong;
    }
    this.#owner.offerEgress(this, buffer, offset, length);
    return length;
  }
}
