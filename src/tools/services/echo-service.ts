// echo-service.ts: the service of the demo and the benches: every message goes back to its client.
//
// Its state is a count and a running hash of all messages in order, so that two members can be
// compared. The same service stands as an example of the package's users in examples/.

import type { ClusteredService } from '../../service/clustered-service.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Bytes of each message that enter the hash: the number of the message is among them. */
const HASHED_LENGTH_MAX = 24;

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
    const hashedLength = Math.min(length, HASHED_LENGTH_MAX);
    for (let index = 0; index + 4 <= hashedLength; index += 4) {
      this.#hash = Math.imul(this.#hash ^ buffer.getInt32(offset + index, true), FNV_PRIME);
    }
    session.offer(buffer, offset, length);
  };

  stateHash(): string {
    return `${this.#count}:${(this.#hash >>> 0).toString(16).padStart(8, '0')}`;
  }
}

/** Makes a fresh instance. */
export function createService(): ClusteredService {
  return new EchoService();
}
