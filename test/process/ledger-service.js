// ledger-service.js: the service of the process tests, in the language that a member loads.
//
// A message is {client u32, sequence u32, filler}. The state is a running hash of all messages with
// their times, in order, and the last sequence of every client; a message that was applied before,
// or after a later one of its client, is counted and never forgotten. The reply is {client u32,
// sequence u32, order u32}, where the order numbers all messages from 1 on.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const REPLY_LENGTH = 12;

class LedgerService {
  #hash = FNV_OFFSET;
  #order = 0;
  #misplacedCount = 0;
  #lastSequences = new Map();
  #reply = new DataView(new ArrayBuffer(REPLY_LENGTH));

  onSessionMessage(session, timestamp, buffer, offset, length) {
    const client = buffer.getUint32(offset, true);
    const sequence = buffer.getUint32(offset + 4, true);
    if (sequence <= (this.#lastSequences.get(client) ?? 0)) {
      this.#misplacedCount++;
    } else {
      this.#lastSequences.set(client, sequence);
    }
    this.#order++;
    this.#mix(timestamp % 0x100000000);
    for (let index = 0; index < length; index++) {
      this.#mix(buffer.getUint8(offset + index));
    }
    this.#reply.setUint32(0, client, true);
    this.#reply.setUint32(4, sequence, true);
    this.#reply.setUint32(8, this.#order, true);
    session.offer(this.#reply, 0, REPLY_LENGTH);
  }

  stateHash() {
    const hash = (this.#hash >>> 0).toString(16).padStart(8, '0');
    return `${hash}-${this.#order}-${this.#misplacedCount}`;
  }

  #mix(value) {
    this.#hash = Math.imul(this.#hash ^ value, FNV_PRIME);
  }
}

export function createService() {
  return new LedgerService();
}
