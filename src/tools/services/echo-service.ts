// echo-service.ts: the service of the demo and the benches: every message goes back to its client.
//
// Its state is a count and a running hash of all messages in order, so that two members can be
// compared. The same service stands as an example of the package's users in examples/.

import type { Cluster, ClusteredService } from '../../service/clustered-service.js';
import type { SnapshotImage, SnapshotPublication } from '../../service/snapshot-publication.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Bytes of each message that enter the hash: the number of the message is among them. */
const HASHED_LENGTH_MAX = 24;
/** Count f64 and hash i32. */
const STATE_RECORD_LENGTH = 12;

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

  onStart(_cluster: Cluster, snapshot?: SnapshotImage): void {
    snapshot?.read((buffer, offset) => {
      this.#count = buffer.getFloat64(offset, true);
      this.#hash = buffer.getInt32(offset + 8, true);
    });
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const state = new DataView(new ArrayBuffer(STATE_RECORD_LENGTH));
    state.setFloat64(0, this.#count, true);
    state.setInt32(8, this.#hash, true);
    snapshot.offer(state, 0, STATE_RECORD_LENGTH);
  }

  stateHash(): string {
    return `${this.#count}:${(this.#hash >>> 0).toString(16).padStart(8, '0')}`;
  }
}

/** Makes a fresh instance. */
export function createService(): ClusteredService {
  return new EchoService();
}
