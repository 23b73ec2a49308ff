// blocking-service.js: a service that misbehaves on one member, as it is told.
//
// A message is a request: eight bytes that the answer begins with, and then {action u32, member
// u32, value u32, filler}. Action 1 counts; 2 holds the thread of the member for so many
// milliseconds; 3 throws there. The answer is the number of messages so far.

const Action = { Block: 2, Throw: 3 };
const HEADER_LENGTH = 8;
const REPLY_LENGTH = HEADER_LENGTH + 4;

class BlockingService {
  #memberId = -1;
  #count = 0;
  #reply = new DataView(new ArrayBuffer(REPLY_LENGTH));
  #cell = new Int32Array(new SharedArrayBuffer(4));

  onStart(cluster) {
    this.#memberId = cluster.memberId;
  }

  onSessionMessage(session, _timestamp, buffer, offset) {
    this.#count++;
    const body = offset + HEADER_LENGTH;
    if (buffer.getUint32(body + 4, true) === this.#memberId) {
      this.#misbehave(buffer.getUint32(body, true), buffer.getUint32(body + 8, true));
    }
    this.#reply.setUint32(0, buffer.getUint32(offset, true), true);
    this.#reply.setUint32(4, buffer.getUint32(offset + 4, true), true);
    this.#reply.setUint32(HEADER_LENGTH, this.#count, true);
    session.offer(this.#reply, 0, REPLY_LENGTH);
  }

  stateHash() {
    return String(this.#count);
  }

  #misbehave(action, value) {
    if (action === Action.Block) {
      Atomics.wait(this.#cell, 0, 0, value);
    } else if (action === Action.Throw) {
      throw new Error('told to throw');
    }
  }
}

export function createService() {
  return new BlockingService();
}
