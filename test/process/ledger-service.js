// ledger-service.js: the service of the process tests, in the language that a member loads.
//
// A message is {client u32, sequence u32, filler}. The state is a running hash of all messages with
// their times, in order, and the last sequence of every client; a message that was applied before,
// or after a later one of its client, is counted and never forgotten. The reply is {client u32,
// sequence u32, order u32}, where the order numbers all messages from 1 on.
//
// The filler may begin with a command on a register, {mark, action, key, expected, written} as u32.
// Then what it found goes behind the order as u32: the value of a get, or 1 for a comparison that
// matched and a deletion of something.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const REPLY_LENGTH = 12;
const REGISTER_MARK = 0x52454749;
const REGISTER_LENGTH = 20;

class LedgerService {
  #hash = FNV_OFFSET;
  #order = 0;
  #misplacedCount = 0;
  #lastSequences = new Map();
  #reply = new DataView(new ArrayBuffer(REPLY_LENGTH + 4));
  #registers = new Map();

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
    const isRegister =
      length >= 8 + REGISTER_LENGTH && buffer.getUint32(offset + 8, true) === REGISTER_MARK;
    if (isRegister) {
      const found = this.#applyToRegister(buffer, offset + 8);
      this.#mix(found);
      this.#reply.setUint32(REPLY_LENGTH, found, true);
    }
    session.offer(this.#reply, 0, isRegister ? REPLY_LENGTH + 4 : REPLY_LENGTH);
  }

  #applyToRegister(buffer, offset) {
    const [action, key, expected, written] = [4, 8, 12, 16].map((at) =>
      buffer.getUint32(offset + at, true),
    );
    const value = this.#registers.get(key) ?? 0;
    switch (action) {
      case 1:
        return value;
      case 2:
        this.#registers.set(key, written);
        return 0;
      case 3:
        if (value === expected) {
          this.#registers.set(key, written);
        }
        return value === expected ? 1 : 0;
      default:
        this.#registers.delete(key);
        return value === 0 ? 0 : 1;
    }
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
