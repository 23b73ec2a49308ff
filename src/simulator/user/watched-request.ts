// watched-request.ts: a request as a user's service sees it: what it is answered with is noted.

import type { ClientRequest, ClientSession } from '../../service/clustered-service.js';
import type { EventOutputs } from './event-outputs.js';

/** A request of a watched session. */
export class WatchedRequest implements ClientRequest {
  readonly session: ClientSession;
  readonly #request: ClientRequest;
  readonly #outputs: EventOutputs;

  constructor(request: ClientRequest, session: ClientSession, outputs: EventOutputs) {
    this.#request = request;
    this.session = session;
    this.#outputs = outputs;
  }

  get clientId(): number {
    return this.#request.clientId;
  }

  get requestId(): number {
    return this.#request.requestId;
  }

  get replyLengthMax(): number {
    return this.#request.replyLengthMax;
  }

  reply(buffer: ArrayBufferView, offset: number, length: number): number {
    const result = this.#request.reply(buffer, offset, length);
    if (result >= 0) {
      const start = buffer.byteOffset + offset;
      this.#outputs.addMessage(this.session.id, new Uint8Array(buffer.buffer, start, length));
    }
    return result;
  }
}
