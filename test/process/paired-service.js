// paired-service.js: two of it run on one log, and send messages to each other. This is the first
// one, which answers requests; paired-second.js is the other.
//
// A request is {sequence u32}. Service 0 answers it with the number of all requests, and begins a
// rally: it sends {number, hops} into the log, and each service in turn sends the next one while
// hops are left. Both set timers, of which some are cancelled, and a timer sends a message as well.
// The state is a running hash of everything that came, with its times. What comes twice, out of
// order or not at all is counted, and never forgotten.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const HOPS_MAX = 5;
const REQUESTS_PER_TIMER = 4;
const REQUESTS_PER_CANCEL = 12;
const TIMER_MS = 40;
const TIMER_HOPS = 1;

export class PairedService {
  snapshotVersion = 1;
  #cluster;
  #state = {
    hash: FNV_OFFSET,
    requestCount: 0,
    sentCount: 0,
    receivedCounts: [0, 0],
    timerCount: 0,
    lastTimer: 0,
    pendingTimers: {},
    faultCount: 0,
  };

  /** @param isAnswering it is the first service, which requests are for. */
  constructor(isAnswering) {
    if (!isAnswering) {
      this.onRequest = undefined;
    }
  }

  onStart(cluster, snapshot) {
    this.#cluster = cluster;
    snapshot?.read((buffer, offset, length) => {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      this.#state = JSON.parse(new TextDecoder().decode(bytes.slice()));
    });
  }

  onTakeSnapshot(snapshot) {
    const bytes = new TextEncoder().encode(JSON.stringify(this.#state));
    snapshot.offer(bytes, 0, bytes.length);
  }

  onSessionOpen(session, timestamp) {
    this.#mix(1, session.id % 2 ** 32, timestamp);
  }

  onSessionClose(session, timestamp) {
    this.#mix(2, session.id % 2 ** 32, timestamp);
  }

  onSessionMessage() {
    this.#state.faultCount++;
  }

  onRequest(request, timestamp, buffer, offset) {
    const state = this.#state;
    const count = ++state.requestCount;
    this.#mix(3, buffer.getUint32(offset, true), timestamp);
    this.#send(count % (HOPS_MAX + 1));
    if (count % REQUESTS_PER_CANCEL === 0) {
      const wasPending = this.#cluster.cancelTimer(state.lastTimer);
      state.faultCount += wasPending === state.lastTimer in state.pendingTimers ? 0 : 1;
      delete state.pendingTimers[state.lastTimer];
    }
    if (count % REQUESTS_PER_TIMER === 0) {
      this.#schedule(count, timestamp);
    }
    const reply = new DataView(new ArrayBuffer(4));
    reply.setUint32(0, count, true);
    request.reply(reply, 0, 4);
  }

  onServiceMessage(from, timestamp, buffer, offset) {
    const state = this.#state;
    const number = buffer.getUint32(offset, true);
    const hops = buffer.getUint32(offset + 4, true);
    state.faultCount += number === state.receivedCounts[from] + 1 ? 0 : 1;
    state.receivedCounts[from] = number;
    this.#mix(4 + from, number, timestamp);
    if (hops > 0 && from !== this.#cluster.serviceId) {
      this.#send(hops - 1);
    }
    if (this.#cluster.serviceId > 0 && number % REQUESTS_PER_TIMER === 0) {
      this.#schedule(number + from * 2 ** 24, timestamp);
    }
  }

  onTimerEvent(id, timestamp) {
    const state = this.#state;
    state.faultCount += id in state.pendingTimers ? 0 : 1;
    delete state.pendingTimers[id];
    state.timerCount++;
    this.#mix(8, id, timestamp);
    this.#send(TIMER_HOPS);
  }

  /** Hash, requests, messages sent and received, timers fired, and what was wrong. */
  stateHash() {
    const { faultCount, hash, receivedCounts, requestCount, sentCount, timerCount } = this.#state;
    const text = (hash >>> 0).toString(16).padStart(8, '0');
    return [text, requestCount, sentCount, ...receivedCounts, timerCount, faultCount].join('-');
  }

  #schedule(id, timestamp) {
    this.#cluster.scheduleTimer(id, timestamp + TIMER_MS);
    this.#state.pendingTimers[id] = 1;
    this.#state.lastTimer = id;
  }

  #send(hops) {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, this.#state.sentCount + 1, true);
    message.setUint32(4, hops, true);
    this.#state.sentCount += this.#cluster.offer(message, 0, 8) < 0 ? 0 : 1;
  }

  #mix(kind, value, timestamp) {
    for (const word of [kind, value, timestamp % 2 ** 32, this.#cluster.serviceId]) {
      this.#state.hash = Math.imul(this.#state.hash ^ word, FNV_PRIME);
    }
  }
}

export function createService() {
  return new PairedService(true);
}
