// memory-network.ts: a network in memory for tests of the transport.
//
// A datagram is in its receiver's inbox at once, unless the test's filter drops it, doubles it or
// holds it back. Bytes may be held by the sender for a while, as a real socket holds them.

import {
  type DatagramHandler,
  type DatagramOptions,
  type DatagramSocket,
  type Network,
  SEND_BACK_PRESSURED,
  SEND_NOT_READY,
  type SocketAddress,
  SocketState,
} from '../../src/ports/network.js';

/** A datagram on its way. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
}

/** How many copies arrive: 0 drops it. */
export type DatagramFilter = (datagram: Datagram) => number;

const FIRST_PORT = 20_000;

function keyOf(address: SocketAddress): string {
  return `${address.host}:${address.port}`;
}

/** Every socket of one test. */
export class MemoryNetwork implements Network {
  readonly sockets = new Map<string, MemorySocket>();
  /** Decides about each datagram. Default: one copy of each. */
  filter: DatagramFilter = () => 1;
  /** Says why a socket cannot be opened. Default: each can. */
  openFailure: (options: DatagramOptions) => Error | undefined = () => undefined;
  /** Datagrams that `release` delivers, in its order. */
  readonly delayed: Datagram[] = [];
  /** Whether datagrams wait in `delayed`. */
  isDelaying = false;
  /** Every datagram that was sent, when a test wants to see them. */
  sent: Datagram[] | undefined;
  #nextPort = FIRST_PORT;

  open(options: DatagramOptions): MemorySocket {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    const isConnected = options.remote !== undefined;
    const address = { host: isConnected ? '127.0.0.1' : options.host, port };
    const socket = new MemorySocket(this, address, options.remote);
    const failure = this.openFailure(options);
    if (failure !== undefined) {
      socket.fail(failure);
    } else if (this.sockets.has(keyOf(address))) {
      socket.fail(new Error(`address ${keyOf(address)} is in use`));
    } else {
      this.sockets.set(keyOf(address), socket);
    }
    return socket;
  }

  send(datagram: Datagram): void {
    this.sent?.push(datagram);
    for (let copies = this.filter(datagram); copies > 0; copies--) {
      if (this.isDelaying) {
        this.delayed.push(datagram);
      } else {
        this.deliver(datagram);
      }
    }
  }

  deliver(datagram: Datagram): void {
    this.sockets.get(keyOf(datagram.to))?.receive(datagram);
  }

  /** Delivers what was delayed, after `arrange` put it in order. */
  release(arrange: (datagrams: Datagram[]) => Datagram[] = (datagrams) => datagrams): void {
    const datagrams = arrange(this.delayed.splice(0));
    for (const datagram of datagrams) {
      this.deliver(datagram);
    }
  }

  /** Sends bytes from anywhere to anywhere. */
  inject(bytes: Uint8Array, from: SocketAddress, to: SocketAddress): void {
    this.deliver({ bytes, from, to });
  }
}

/** One socket of a MemoryNetwork. */
export class MemorySocket implements DatagramSocket {
  state: SocketState = SocketState.Open;
  failure: Error | undefined;
  droppedCount = 0;
  /** Set by a test: bytes are held until it is lowered again. */
  isHolding = false;
  /** Set by a test: sends are refused. */
  isBackPressured = false;
  readonly localAddress: SocketAddress;
  readonly remote: SocketAddress | undefined;
  readonly #network: MemoryNetwork;
  readonly #inbox: Datagram[] = [];
  readonly #keys = new Map<string, number>();
  readonly #addresses: SocketAddress[] = [{ host: '', port: 0 }];
  #heldBytes = 0;

  constructor(network: MemoryNetwork, local: SocketAddress, remote: SocketAddress | undefined) {
    this.#network = network;
    this.localAddress = local;
    this.remote = remote;
  }

  fail(error: Error): void {
    this.state = SocketState.Failed;
    this.failure = error;
  }

  send(buffer: Uint8Array, offset: number, length: number): number {
    return this.remote === undefined
      ? SEND_NOT_READY
      : this.#sendTo(buffer, offset, length, this.remote);
  }

  sendTo(buffer: Uint8Array, offset: number, length: number, destinationKey: number): number {
    return this.#sendTo(buffer, offset, length, this.addressOf(destinationKey));
  }

  #sendTo(buffer: Uint8Array, offset: number, length: number, to: SocketAddress): number {
    if (this.state !== SocketState.Open) {
      return SEND_NOT_READY;
    }
    if (this.isBackPressured) {
      return SEND_BACK_PRESSURED;
    }
    if (this.isHolding) {
      this.#heldBytes += length;
    }
    const bytes = new Uint8Array(length);
    bytes.set(buffer.subarray(offset, offset + length));
    this.#network.send({ bytes, from: this.localAddress, to });
    return length;
  }

  releaseHeld(): void {
    this.#heldBytes = 0;
  }

  keyOf(address: SocketAddress): number {
    const name = keyOf(address);
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = this.#addresses.length;
      this.#keys.set(name, key);
      this.#addresses.push(address);
    }
    return key;
  }

  addressOf(key: number): SocketAddress {
    return this.#addresses[key] ?? { host: '', port: 0 };
  }

  heldBytes(): number {
    return this.#heldBytes;
  }

  receive(datagram: Datagram): void {
    const isForeign = this.remote !== undefined && keyOf(this.remote) !== keyOf(datagram.from);
    if (this.state === SocketState.Open && !isForeign) {
      this.#inbox.push(datagram);
    }
  }

  poll(handler: DatagramHandler, limit: number): number {
    let count = 0;
    while (count < limit && this.state === SocketState.Open) {
      const datagram = this.#inbox.shift();
      if (datagram === undefined) {
        break;
      }
      count++;
      handler(datagram.bytes, 0, datagram.bytes.length, this.keyOf(datagram.from));
    }
    return count;
  }

  close(): void {
    if (this.state !== SocketState.Closed) {
      this.state = SocketState.Closed;
      if (this.#network.sockets.get(keyOf(this.localAddress)) === this) {
        this.#network.sockets.delete(keyOf(this.localAddress));
      }
    }
  }
}
