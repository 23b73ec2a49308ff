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
//
// Or with a command on a timer, {mark, action, delay in milliseconds} as u32: 1 schedules one whose
// id is made of client and sequence, 2 cancels that of an earlier sequence. Every timer must end by
// firing once, or by being cancelled before; what fires otherwise is counted as misfired.
//
// A request {client u32, sequence u32} is answered with {client, sequence, how many requests were
// executed so far}; one that is executed again is counted.
//
// A message too short for its numbers is echoed and leaves no trace in the state.
//
// A snapshot is the whole state as JSON and, so that it takes many writes, ballast behind it. A
// message whose filler begins with a mark of its own makes the service throw.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const HEADER_LENGTH = 8;
const REPLY_LENGTH = 12;
const REGISTER_MARK = 0x52454749;
const REGISTER_LENGTH = 20;
const TIMER_MARK = 0x54494d52;
const TIMER_LENGTH = 12;
const POISON_MARK = 0x504f4953;
const SEQUENCE_LIMIT = 1_000_000;
const BALLAST_RECORD_LENGTH = 32 * 1024;
const BALLAST_RECORD_COUNT = 16;

class LedgerService {
  #hash = FNV_OFFSET;
  #order = 0;
  #misplacedCount = 0;
  #lastSequences = new Map();
  #reply = new DataView(new ArrayBuffer(REPLY_LENGTH + 4));
  #registers = new Map();
  #cluster;
  #pendingTimers = new Set();
  #timerCounts = { fired: 0, cancelled: 0, misfired: 0 };
  #requests = new Set();
  #repeatedCount = 0;

  onStart(cluster, snapshot) {
    this.#cluster = cluster;
    let isFirst = true;
    snapshot?.read((buffer, offset, length) => {
      if (isFirst) {
        isFirst = false;
        const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
        this.#load(JSON.parse(new TextDecoder().decode(bytes)));
      }
    });
  }

  onTakeSnapshot(snapshot) {
    const state = new TextEncoder().encode(
      JSON.stringify({
        hash: this.#hash,
        order: this.#order,
        misplaced: this.#misplacedCount,
        sequences: [...this.#lastSequences],
        registers: [...this.#registers],
        timers: [...this.#pendingTimers],
        timerCounts: this.#timerCounts,
        requests: [...this.#requests],
        repeated: this.#repeatedCount,
      }),
    );
    snapshot.offer(state, 0, state.length);
    const ballast = new Uint8Array(BALLAST_RECORD_LENGTH).fill(this.#hash & 0xff);
    for (let count = 0; count < BALLAST_RECORD_COUNT; count++) {
      snapshot.offer(ballast, 0, ballast.length);
    }
  }

  #load(state) {
    this.#hash = state.hash;
    this.#order = state.order;
    this.#misplacedCount = state.misplaced;
    this.#lastSequences = new Map(state.sequences);
    this.#registers = new Map(state.registers);
    this.#pendingTimers = new Set(state.timers);
    this.#timerCounts = state.timerCounts;
    this.#requests = new Set(state.requests);
    this.#repeatedCount = state.repeated;
  }

  onTimerEvent(id, timestamp) {
    if (this.#pendingTimers.delete(id)) {
      this.#timerCounts.fired++;
    } else {
      this.#timerCounts.misfired++;
    }
    this.#mix(id % 0x100000000);
    this.#mix(timestamp % 0x100000000);
  }

  onRequest(request, timestamp, buffer, offset) {
    const client = buffer.getUint32(offset, true);
    const sequence = buffer.getUint32(offset + 4, true);
    const key = client * SEQUENCE_LIMIT + sequence;
    this.#repeatedCount += this.#requests.has(key) ? 1 : 0;
    this.#requests.add(key);
    this.#mix(timestamp % 0x100000000);
    this.#mix(sequence);
    const reply = new DataView(new ArrayBuffer(REPLY_LENGTH));
    reply.setUint32(0, client, true);
    reply.setUint32(4, sequence, true);
    reply.setUint32(8, this.#requests.size, true);
    request.reply(reply, 0, REPLY_LENGTH);
  }

  #applyToTimer(buffer, offset, client, sequence, timestamp) {
    const action = buffer.getUint32(offset + 4, true);
    const value = buffer.getUint32(offset + 8, true);
    if (action === 1) {
      const id = client * SEQUENCE_LIMIT + sequence;
      this.#pendingTimers.add(id);
      this.#cluster.scheduleTimer(id, timestamp + value);
      return;
    }
    const id = client * SEQUENCE_LIMIT + value;
    const wasPending = this.#pendingTimers.delete(id);
    if (this.#cluster.cancelTimer(id) !== wasPending) {
      this.#timerCounts.misfired++;
    }
    this.#timerCounts.cancelled += wasPending ? 1 : 0;
  }

  onSessionMessage(session, timestamp, buffer, offset, length) {
    if (length < HEADER_LENGTH) {
      session.offer(buffer, offset, length);
      return;
    }
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
    const mark = length >= 8 + TIMER_LENGTH ? buffer.getUint32(offset + 8, true) : 0;
    if (mark === POISON_MARK) {
      throw new Error('poisoned on purpose');
    }
    if (mark === TIMER_MARK) {
      this.#applyToTimer(buffer, offset + 8, client, sequence, timestamp);
    }
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
    const { cancelled, fired, misfired } = this.#timerCounts;
    const timers = `${fired}-${cancelled}-${this.#pendingTimers.size}-${misfired}`;
    const requests = `${this.#requests.size}-${this.#repeatedCount}`;
    return `${hash}-${this.#order}-${this.#misplacedCount}-${timers}-${requests}`;
  }

  #mix(value) {
    this.#hash = Math.imul(this.#hash ^ value, FNV_PRIME);
  }
}

export function createService() {
  return new LedgerService();
}
