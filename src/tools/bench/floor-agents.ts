// floor-agents.ts: the least program that does a cluster's work: client to leader, leader to two
// followers, an acknowledgement back, then every message through a handler and back to the client.
//
// No log, no disk, no session, no repair. It runs on the same event loop and the same sockets as a
// member, so that what a cluster costs beyond it is the cluster's own. With a record the leader and
// the followers also check what they get and write it to files, as those that keep a log do.

import type { Agent } from '../../ports/agent.js';
import type { DatagramSocket } from '../../ports/network.js';
import type { LoadTarget } from '../load.js';
import { MessageRing, POLL_LIMIT } from './floor-link.js';
import type { FloorRecord } from './floor-record.js';

const RETRY_NS = 1e6;
const ACKNOWLEDGEMENT_LENGTH = 8;

/** What every role of the floor has in common. */
abstract class FloorAgent implements Agent {
  abstract readonly roleName: string;
  /** True when a socket did not take everything: it is tried again soon. */
  protected isBlocked = false;
  /** Where a leader or follower writes what it gets; undefined where it does not. */
  protected readonly record: FloorRecord | undefined;
  #nowNs = 0;

  constructor(record?: FloorRecord) {
    this.record = record;
  }

  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    return this.turn();
  }

  deadlineNs(): number {
    return this.isBlocked ? this.#nowNs + RETRY_NS : Number.POSITIVE_INFINITY;
  }

  close(): void {
    for (const socket of this.sockets()) {
      socket.close();
    }
    this.record?.close();
  }

  protected abstract turn(): number;
  protected abstract sockets(): readonly DatagramSocket[];
}

/** Sends every datagram back: the other end of the ping-pong. */
export class EchoAgent extends FloorAgent {
  readonly roleName = 'echo';
  readonly #socket: DatagramSocket;

  constructor(socket: DatagramSocket) {
    super();
    this.#socket = socket;
  }

  protected turn(): number {
    return this.#socket.poll((buffer, offset, length) => {
      this.#socket.send(buffer, offset, length);
    }, POLL_LIMIT);
  }

  protected sockets(): readonly DatagramSocket[] {
    return [this.#socket];
  }
}

/** Copies what it gets and acknowledges its length once a turn. */
export class FollowerAgent extends FloorAgent {
  readonly roleName = 'follower';
  readonly #socket: DatagramSocket;
  readonly #ring: MessageRing;
  /** Acknowledgements in turn, so that bytes that a socket may still read are not reused. */
  readonly #acknowledgements = new DataView(new ArrayBuffer(1024 * ACKNOWLEDGEMENT_LENGTH));
  readonly #bytes = new Uint8Array(this.#acknowledgements.buffer);
  #acknowledgementOffset = 0;
  #acknowledged = 0;

  constructor(socket: DatagramSocket, messageLength: number, mtu: number, record?: FloorRecord) {
    super(record);
    this.#socket = socket;
    this.#ring = record?.ring ?? new MessageRing(messageLength, mtu);
  }

  protected turn(): number {
    const work = this.#socket.poll(this.#onData, POLL_LIMIT);
    this.record?.write();
    if (this.#ring.end > this.#acknowledged) {
      const offset = this.#acknowledgementOffset;
      this.#acknowledgements.setFloat64(offset, this.#ring.end, true);
      if (this.#socket.send(this.#bytes, offset, ACKNOWLEDGEMENT_LENGTH) > 0) {
        this.#acknowledged = this.#ring.end;
        this.#acknowledgementOffset = (offset + ACKNOWLEDGEMENT_LENGTH) % this.#bytes.length;
      }
    }
    this.isBlocked = this.#ring.end > this.#acknowledged;
    return work;
  }

  readonly #onData = (buffer: Uint8Array, offset: number, length: number): void => {
    this.#ring.append(buffer, offset, length);
  };

  protected sockets(): readonly DatagramSocket[] {
    return [this.#socket];
  }
}

/** Orders, replicates, waits for a majority of three, handles each message, answers. */
export class LeaderAgent extends FloorAgent {
  readonly roleName = 'leader';
  readonly #client: DatagramSocket;
  readonly #followers: readonly DatagramSocket[];
  readonly #replicated: number[];
  readonly #acknowledged: number[];
  readonly #log: MessageRing;
  readonly #egress: MessageRing;
  readonly #onAcknowledgements: readonly ((b: Uint8Array, o: number, n: number) => void)[];
  #handled = 0;
  #answered = 0;

  constructor(
    client: DatagramSocket,
    followers: readonly DatagramSocket[],
    messageLength: number,
    mtu: number,
    record?: FloorRecord,
  ) {
    super(record);
    this.#client = client;
    this.#followers = followers;
    this.#log = record?.ring ?? new MessageRing(messageLength, mtu);
    this.#egress = new MessageRing(messageLength, mtu);
    this.#replicated = followers.map(() => 0);
    this.#acknowledged = followers.map(() => 0);
    this.#onAcknowledgements = followers.map((_, index) => (buffer, offset) => {
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      this.#acknowledged[index] = view.getFloat64(offset, true);
    });
  }

  protected turn(): number {
    let work = this.#client.poll(this.#onData, POLL_LIMIT);
    this.isBlocked = false;
    for (let index = 0; index < this.#followers.length; index++) {
      const socket = this.#followers[index] as DatagramSocket;
      work += socket.poll(this.#onAcknowledgements[index] ?? this.#onData, POLL_LIMIT);
      const sent = this.#log.send(socket, this.#replicated[index] ?? 0);
      this.#replicated[index] = sent;
      this.isBlocked ||= sent < this.#log.end;
    }
    this.record?.write();
    // The leader and one of its two followers are a majority.
    const committed = Math.max(...this.#acknowledged);
    while (this.#handled < committed) {
      this.#handle(this.#log.offsetOf(this.#handled));
      this.#handled += this.#log.stride;
    }
    this.#answered = this.#egress.send(this.#client, this.#answered);
    this.isBlocked ||= this.#answered < this.#egress.end;
    return work;
  }

  readonly #onData = (buffer: Uint8Array, offset: number, length: number): void => {
    this.#log.append(buffer, offset, length);
  };

  /** The service: echo. */
  #handle(offset: number): void {
    this.#egress.append(this.#log.bytes, offset, this.#log.stride);
  }

  protected sockets(): readonly DatagramSocket[] {
    return [this.#client, ...this.#followers];
  }
}

/** The client's end of the floor. */
export class FloorClient extends FloorAgent implements LoadTarget {
  readonly roleName = 'client';
  readonly #socket: DatagramSocket;
  readonly #ring: MessageRing;
  readonly #onMessage: (view: DataView, offset: number, length: number) => void;
  readonly #wake: () => void;
  #sent = 0;

  constructor(options: {
    socket: DatagramSocket;
    messageLength: number;
    mtu: number;
    onMessage: (view: DataView, offset: number, length: number) => void;
    wake: () => void;
  }) {
    super();
    this.#socket = options.socket;
    this.#ring = new MessageRing(options.messageLength, options.mtu);
    this.#onMessage = options.onMessage;
    this.#wake = options.wake;
  }

  offer(buffer: Uint8Array, offset: number, length: number): number {
    this.#ring.append(buffer, offset, length);
    return length;
  }

  wake(): void {
    this.#wake();
  }

  protected turn(): number {
    const work = this.#socket.poll(this.#onData, POLL_LIMIT);
    this.#sent = this.#ring.send(this.#socket, this.#sent);
    this.isBlocked = this.#sent < this.#ring.end;
    return work;
  }

  readonly #onData = (buffer: Uint8Array, offset: number, length: number): void => {
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    for (let at = offset; at < offset + length; at += this.#ring.stride) {
      this.#onMessage(view, at, this.#ring.stride);
    }
  };

  protected sockets(): readonly DatagramSocket[] {
    return [this.#socket];
  }
}
