// node-socket.ts: one UDP socket of Node, polled.
//
// What Node does was read in its source and tried, and this file relies on it:
// - With a `lookup` that answers at once, bind, connect and send happen inside the call.
// - `send` without a callback loses every error in silence (too long, no route, refused), so each
//   send names one function that all sends of the socket share; that costs a twentieth of a send.
// - A send that the kernel cannot take at once waits in Node and is read from our memory later;
//   `getSendQueueSize` counts it. A datagram is at most one system call away otherwise.
// - A dead peer shows on a connected socket as ECONNREFUSED of a later send or receive. It is
//   counted: the transport decides by silence, not by such hints, which anyone can forge.

import type { RemoteInfo, Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import {
  type DatagramHandler,
  type DatagramOptions,
  type DatagramSocket,
  SEND_BACK_PRESSURED,
  SEND_FAILED,
  SEND_NOT_READY,
  type SocketAddress,
  SocketState,
} from '../ports/network.js';
import { clearSlot, DatagramInbox, emptySlot } from './datagram-inbox.js';
import {
  canonicalHost,
  checkAddress,
  checkDatagramOptions,
  connectFailure,
  errnoOf,
  openFailure,
} from './network-errors.js';
import { SourceKeys } from './source-keys.js';

/** Most bytes that Node may hold for one socket before `send` is back-pressured. */
export const SEND_HELD_BYTES_MAX = 512 * 1024;
/** Longest payload of a UDP datagram over IPv4. */
export const DATAGRAM_LENGTH_MAX = 65_507;
/** The least socket buffer that is worth asking for when the system refuses more. */
const SOCKET_BUFFER_LENGTH_MIN = 64 * 1024;
/** Linux doubles the length asked for, to cover the overhead of its kernel, and reports that. */
const REPORTED_LENGTH_FACTOR = process.platform === 'linux' ? 2 : 1;

/** Answers a lookup at once: addresses are numeric, and there is nothing to resolve. */
export function lookupNumeric(
  host: string,
  _family: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, isIP(host));
}

/** What a socket needs of its network. */
export interface SocketHost {
  createSocket(type: 'udp4' | 'udp6'): Socket;
  /** Called when something arrived; cheap when called often. */
  onReadable(): void;
  /** Called with the bytes of each datagram that the system handed over, after `onReadable`. */
  onReceived(length: number): void;
  /** True once the process must not say anything more. */
  isPoisoned(): boolean;
  /** Called once, when the socket is closed. */
  onClosed(socket: NodeDatagramSocket): void;
}

/** A UDP socket over node:dgram. */
export class NodeDatagramSocket implements DatagramSocket {
  readonly #options: DatagramOptions;
  readonly #host: SocketHost;
  readonly #inbox: DatagramInbox;
  readonly #keys = new SourceKeys();
  readonly #slot = emptySlot();
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) {
      this.#countError(error);
    }
  };
  #socket: Socket | undefined;
  #state: SocketState = SocketState.Opening;
  #failure: PawlError | undefined;
  #localAddress: SocketAddress | undefined;
  #remote: SocketAddress | undefined;
  #sendBufferLength = 0;
  #receiveBufferLength = 0;
  #sentCount = 0;
  #receivedCount = 0;
  #refusedCount = 0;
  #errorCount = 0;
  #backPressuredCount = 0;
  #strangerCount = 0;
  #portlessCount = 0;
  #lastError: Error | undefined;

  constructor(options: DatagramOptions, host: SocketHost) {
    this.#options = options;
    this.#host = host;
    this.#inbox = new DatagramInbox(options.inboxLengthMax);
    const failure = checkDatagramOptions(options);
    if (failure !== undefined) {
      this.#fail(failure);
      return;
    }
    try {
      this.#open(host.createSocket(isIP(options.host) === 6 ? 'udp6' : 'udp4'));
    } catch (error) {
      if (errnoOf(error) === '') {
        throw error;
      }
      this.#fail(openFailure(error, options));
    }
  }

  get state(): SocketState {
    return this.#state;
  }
  get failure(): PawlError | undefined {
    return this.#failure;
  }
  get localAddress(): SocketAddress | undefined {
    return this.#localAddress;
  }
  get droppedCount(): number {
    return this.#inbox.droppedCount;
  }
  /** Socket buffer lengths in bytes that the system granted; 0 before Open. */
  get sendBufferLength(): number {
    return this.#sendBufferLength;
  }
  get receiveBufferLength(): number {
    return this.#receiveBufferLength;
  }
  /** Datagrams handed to the system. */
  get sentCount(): number {
    return this.#sentCount;
  }
  /** Datagrams taken from the system, dropped ones included. */
  get receivedCount(): number {
    return this.#receivedCount;
  }
  /** Times that the system said that nobody listens at the peer's address. */
  get refusedCount(): number {
    return this.#refusedCount;
  }
  /** Other errors of sending and receiving; `lastError` is the newest. */
  get errorCount(): number {
    return this.#errorCount;
  }
  get lastError(): Error | undefined {
    return this.#lastError;
  }
  get backPressuredCount(): number {
    return this.#backPressuredCount;
  }
  /** Datagrams on a connected socket from somebody else, sent between bind and connect. */
  get strangerCount(): number {
    return this.#strangerCount;
  }

  /** Datagrams that name port 0 as their source. Node throws where one is answered. */
  get portlessCount(): number {
    return this.#portlessCount;
  }

  send(buffer: Uint8Array, offset: number, length: number): number {
    const refused = this.#checkSend(length);
    if (refused < 0) {
      return refused;
    }
    assert(this.#remote !== undefined, 'send without an address needs a connected socket');
    this.#socket?.send(buffer, offset, length, this.#onSent);
    this.#sentCount += 1;
    return length;
  }

  sendTo(buffer: Uint8Array, offset: number, length: number, destinationKey: number): number {
    const refused = this.#checkSend(length);
    if (refused < 0) {
      return refused;
    }
    assert(this.#remote === undefined, 'a connected socket sends to its peer alone');
    const address = this.#keys.find(destinationKey);
    if (address === undefined) {
      this.#errorCount += 1;
      return SEND_FAILED;
    }
    this.#socket?.send(buffer, offset, length, address.port, address.host, this.#onSent);
    this.#sentCount += 1;
    return length;
  }

  /**
   * @throws PawlError ADDRESS_INVALID for an address that is not numeric or of another family.
   */
  keyOf(address: SocketAddress): number {
    const failure =
      checkAddress(address, 1) ?? checkDatagramOptions({ ...this.#options, remote: address });
    if (failure !== undefined) {
      throw failure;
    }
    return this.#keys.keyOfPeer(canonicalHost(address.host), address.port);
  }

  /**
   * @throws PawlError ARGUMENT_OUT_OF_RANGE for a key that was never given, or was forgotten
   * because SOURCE_KEYS_MAX other sources came after it.
   */
  addressOf(key: number): SocketAddress {
    const address = this.#keys.find(key);
    if (address === undefined) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `source key ${key} is not known: ask for the address while its datagram is handled`,
      );
    }
    return { host: address.host, port: address.port };
  }

  heldBytes(): number {
    return this.#state === SocketState.Open ? (this.#socket?.getSendQueueSize() ?? 0) : 0;
  }

  poll(handler: DatagramHandler, limit: number): number {
    const slot = this.#slot;
    let count = 0;
    while (count < limit && this.#inbox.shift(slot)) {
      count += 1;
      const key = this.#keys.keyOfSource(slot.host, slot.port);
      handler(slot.buffer, 0, slot.buffer.length, key);
    }
    clearSlot(slot);
    return count;
  }

  /** What the kernel has taken is sent all the same; nothing of ours is read after this. */
  close(): void {
    if (this.#state === SocketState.Closed) {
      return;
    }
    this.#state = SocketState.Closed;
    this.#release();
    this.#host.onClosed(this);
  }

  #checkSend(length: number): number {
    if (this.#state !== SocketState.Open || this.#host.isPoisoned()) {
      return SEND_NOT_READY;
    }
    if (length > DATAGRAM_LENGTH_MAX) {
      this.#errorCount += 1;
      return SEND_FAILED;
    }
    if (this.heldBytes() + length > SEND_HELD_BYTES_MAX) {
      this.#backPressuredCount += 1;
      return SEND_BACK_PRESSURED;
    }
    return 0;
  }

  #open(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => this.#onError(error));
    socket.on('message', (buffer, source) => this.#onMessage(buffer, source));
    socket.on('listening', () => this.#onListening(socket));
    socket.on('connect', () => this.#onConnected(socket));
    const { host, port } = this.#options;
    socket.bind({ address: host, port, exclusive: true });
  }

  #onListening(socket: Socket): void {
    this.#receiveBufferLength = this.#requestLength(
      this.#options.receiveBufferLength,
      (length) => socket.setRecvBufferSize(length),
      () => socket.getRecvBufferSize(),
    );
    this.#sendBufferLength = this.#requestLength(
      this.#options.sendBufferLength,
      (length) => socket.setSendBufferSize(length),
      () => socket.getSendBufferSize(),
    );
    const remote = this.#options.remote;
    if (remote === undefined) {
      this.#opened(socket);
      return;
    }
    socket.connect(remote.port, remote.host);
    // Node has connected by now, but says so in an event of a later tick.
    if (this.#isConnected(socket)) {
      this.#onConnected(socket);
    }
  }

  #isConnected(socket: Socket): boolean {
    try {
      return socket.remoteAddress().port === this.#options.remote?.port;
    } catch (error) {
      assert(errnoOf(error) !== '', 'a socket that is not connected says so');
      return false;
    }
  }

  #onConnected(socket: Socket): void {
    if (this.#state !== SocketState.Opening) {
      return;
    }
    const { address, port } = socket.remoteAddress();
    this.#remote = { host: address, port };
    this.#keys.keyOfPeer(address, port);
    this.#opened(socket);
  }

  #opened(socket: Socket): void {
    const { address, port } = socket.address();
    this.#localAddress = { host: address, port };
    this.#state = SocketState.Open;
    this.#host.onReadable();
  }

  /** Asks for a buffer length, and for less where a system refuses instead of granting less. */
  #requestLength(length: number, set: (length: number) => void, get: () => number): number {
    for (let wanted = length; wanted >= SOCKET_BUFFER_LENGTH_MIN; wanted = wanted >>> 1) {
      try {
        set(wanted);
        break;
      } catch (error) {
        this.#lastError = error instanceof Error ? error : new Error(String(error));
      }
    }
    return get() / REPORTED_LENGTH_FACTOR;
  }

  #onMessage(buffer: Uint8Array, source: RemoteInfo): void {
    this.#receivedCount += 1;
    this.#take(buffer, source);
    this.#host.onReceived(buffer.length);
  }

  #take(buffer: Uint8Array, source: RemoteInfo): void {
    if (source.port === 0) {
      this.#portlessCount += 1;
      return;
    }
    const remote = this.#options.remote === undefined ? undefined : this.#remote;
    if (remote !== undefined && (remote.port !== source.port || remote.host !== source.address)) {
      this.#strangerCount += 1;
      return;
    }
    if (this.#inbox.push(buffer, source.address, source.port)) {
      this.#host.onReadable();
    }
  }

  #onError(error: Error): void {
    if (this.#state !== SocketState.Opening) {
      this.#countError(error);
      return;
    }
    const remote = this.#options.remote;
    const bound = this.#receiveBufferLength > 0;
    this.#fail(
      bound && remote !== undefined
        ? connectFailure(error, remote)
        : openFailure(error, this.#options),
    );
  }

  #countError(error: Error): void {
    if (this.#state !== SocketState.Open) {
      return;
    }
    if (errnoOf(error) === 'ECONNREFUSED') {
      this.#refusedCount += 1;
    } else {
      this.#errorCount += 1;
    }
    this.#lastError = error;
  }

  #fail(failure: PawlError): void {
    this.#failure = failure;
    this.#state = SocketState.Failed;
    this.#release();
    this.#host.onReadable();
  }

  #release(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#inbox.clear();
    if (socket !== undefined) {
      socket.removeAllListeners('message');
      socket.close();
    }
  }
}
