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

/** One session. Its answers depend on the log and on fixed limits alone. */
export class ContainerSession implements ClientSession {
  readonly #owner: SessionOwner;
  readonly id: number;
  readonly responseStreamId: number;
  readonly responseChannel: string;
  isClosing = false;

  constructor(owner: SessionOwner, id: number, responseStreamId: number, responseChannel: string) {
    this.#owner = owner;
    this.id = id;
    this.responseStreamId = responseStreamId;
    this.responseChannel = responseChannel;
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
