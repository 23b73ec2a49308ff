// request.ts: how a service answers a request (see client/request-client.ts).
//
// Eight bytes precede the body of a request; the same eight precede its answer. An answer is put
// together in a buffer of the service's own, which is reused: nothing is allocated per answer.

import { type ClientSession, EgressResult } from './clustered-service.js';

/** Bytes before the body of a request, and of its answer. */
export const REQUEST_HEADER_LENGTH = 8;

/** Answers requests. One for a service is enough. */
export class Replier {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** @param bodyLengthMax longest body of an answer, bytes. */
  constructor(bodyLengthMax = 4096) {
    this.#bytes = new Uint8Array(REQUEST_HEADER_LENGTH + bodyLengthMax);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Where the body of the answer is written, from its first byte on. */
  get body(): DataView {
    return new DataView(this.#bytes.buffer, REQUEST_HEADER_LENGTH);
  }

  /**
   * Sends an answer whose body was written into `body`, or is given.
   *
   * @param buffer @param offset of the request as the service got it, header included.
   * @param body the answer's bytes, or the length of what was written into `body`.
   * @returns as `ClientSession.offer`; EgressResult.TooLong also for a body beyond `bodyLengthMax`.
   */
  reply(
    session: ClientSession,
    buffer: DataView,
    offset: number,
    body: Uint8Array | number,
  ): number {
    const length = typeof body === 'number' ? body : body.length;
    if (length > this.#bytes.length - REQUEST_HEADER_LENGTH) {
      return EgressResult.TooLong;
    }
    this.#view.setUint32(0, buffer.getUint32(offset, true), true);
    this.#view.setUint32(4, buffer.getUint32(offset + 4, true), true);
    if (typeof body !== 'number') {
      this.#bytes.set(body, REQUEST_HEADER_LENGTH);
    }
    return session.offer(this.#view, 0, REQUEST_HEADER_LENGTH + length);
  }
}
