// echo-service.ts: the smallest service: every message goes back to its client.
//
// Its state is a count and a running hash of all messages in order, so that two members can be
// compared.

import type { ClusteredService } from 'pawl';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

class EchoService implements ClusteredService {
  #count = 0;
  #hash = FNV_OFFSET;

  onSessionMessage: ClusteredService['onSessionMessage'] = (
    session,
    _timestamp,
    buffer,
    offset,
    length,
  ) => {
    this.#count++;
    for (let index = 0; index + 4 <= length; index += 4) {
      this.#hash = Math.imul(this.#hash ^ buffer.getInt32(offset + index, true), FNV_PRIME);
    }
    session.offer(buffer, offset, length);
  };

  stateHash(): string {
    return `${this.#count}:${(this.#hash >>> 0).toString(16)}`;
  }
}

/** Makes a fresh instance: replays and simulations want many. */
export function createService(): ClusteredService {
  return new EchoService();
}
