// message-chain.ts: how simulated services send messages into the log.
//
// Now and then a command makes one of the services begin a chain: it sends some messages, each of
// which makes the next service send one, and so on in turn for a number of hops. So messages cause
// messages on their way through the services, and a lost or doubled one changes all that follows.

import type { Cluster } from '../service/clustered-service.js';
import { finishHash, mixWord } from './invariants/frame-hash.js';
import type { MessageObserver } from './invariants/service-messages.js';

/** What services send in a run. */
export interface MessageOptions {
  /** Services of each member. */
  readonly serviceCount: number;
  /** One of so many commands begins a chain; 0 for none. */
  readonly commandsPerChain: number;
  /** Messages with which a chain begins at most, in one event. */
  readonly burstMax: number;
  /** Messages that follow each of them at most. */
  readonly hopsMax: number;
  /** One of so many messages is longer than a datagram; 0 for none. */
  readonly messagesPerLong: number;
  /** Messages of a service that may wait for the log. */
  readonly pendingCountMax: number;
}

/** One service that sends nothing. */
export const NO_MESSAGES: MessageOptions = {
  serviceCount: 1,
  commandsPerChain: 0,
  burstMax: 0,
  hopsMax: 0,
  messagesPerLong: 0,
  pendingCountMax: 10_000,
};

/** Number among those of its sender, hops that are left, and the service that goes on, as i32. */
const HEADER_LENGTH = 12;
const FILLING_MODULUS = 37;
const LONG_LENGTH = 6_000;
/** Number of messages sent, as i32. */
const RECORD_LENGTH = 4;

/** The part of a service's state that sends, in one service. */
export class MessageChain {
  readonly #serviceId: number;
  readonly #options: MessageOptions;
  readonly #observer: MessageObserver;
  #cluster: Cluster | undefined;
  #sentCount = 0;

  constructor(serviceId: number, options: MessageOptions, observer: MessageObserver) {
    this.#serviceId = serviceId;
    this.#options = options;
    this.#observer = observer;
  }

  onStart(cluster: Cluster): void {
    this.#cluster = cluster;
    this.#observer.onStart(cluster.logPosition());
  }

  /** @param count number of the command, equal for all services. */
  onCommand(count: number): void {
    const { burstMax, commandsPerChain, hopsMax, serviceCount } = this.#options;
    if (commandsPerChain === 0 || count % commandsPerChain !== 0) {
      return;
    }
    const chain = count / commandsPerChain;
    if (chain % serviceCount === this.#serviceId) {
      const burst = 1 + (chain % burstMax);
      for (let index = 0; index < burst; index++) {
        this.#send((chain + index) % (hopsMax + 1));
      }
    }
  }

  /**
   * A message of a service has come.
   *
   * @returns a word for the state hash of the service.
   */
  onMessage(from: number, buffer: DataView, offset: number, length: number): number {
    const number = buffer.getInt32(offset, true);
    const hops = buffer.getInt32(offset + 4, true);
    const next = buffer.getInt32(offset + 8, true);
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    const digest = digestOf(from, bytes);
    const position = this.#cluster?.logPosition() ?? 0;
    this.#observer.onReceived({ from, number, digest, position });
    if (hops > 0 && next === this.#serviceId) {
      this.#send(hops - 1);
    }
    return digest;
  }

  /** State as a record of a snapshot. */
  save(): Uint8Array {
    const record = new Uint8Array(RECORD_LENGTH);
    new DataView(record.buffer).setInt32(0, this.#sentCount, true);
    return record;
  }

  restore(buffer: DataView, offset: number): void {
    this.#sentCount = buffer.getInt32(offset, true);
  }

  #send(hops: number): void {
    const { messagesPerLong, serviceCount } = this.#options;
    const number = this.#sentCount + 1;
    const isLong = messagesPerLong > 0 && number % messagesPerLong === 0;
    const bytes = new Uint8Array(HEADER_LENGTH + (isLong ? LONG_LENGTH : number % FILLING_MODULUS));
    bytes.fill(number & 0xff, HEADER_LENGTH);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, number, true);
    view.setInt32(4, hops, true);
    view.setInt32(8, (this.#serviceId + 1) % serviceCount, true);
    if ((this.#cluster?.offer(bytes, 0, bytes.length) ?? -1) < 0) {
      return;
    }
    this.#sentCount = number;
    const position = this.#cluster?.logPosition() ?? 0;
    const digest = digestOf(this.#serviceId, bytes);
    this.#observer.onSent({ from: this.#serviceId, number, digest, position });
  }
}

/** Stands for sender and bytes. */
function digestOf(from: number, bytes: Uint8Array): number {
  let hash = mixWord(from + 1, bytes.length);
  for (const byte of bytes) {
    hash = mixWord(hash, byte);
  }
  return finishHash(hash);
}
