// virtual-socket.ts: one UDP socket of a simulated process.
//
// Opening takes an event, so that the Opening state is met in every run. While the process is
// paused nothing reads the socket, and what arrives is bounded by the system's receive buffer;
// otherwise by the inbox.

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
import { type Datagram, PAYLOAD_OFFSET } from './datagram.js';
import { drawDelay } from './delay.js';
import { type EventAction, EventKind, WorldEvent } from './event-heap.js';
import type { Holder } from './held-sends.js';
import { UDP_PAYLOAD_LENGTH_MAX } from './virtual-link.js';
import type { VirtualNetwork } from './virtual-network.js';
import type { VirtualNode } from './virtual-node.js';
import type { VirtualThread } from './virtual-thread.js';

const PORT_MAX = 65_535;
/** A datagram without payload counts this much in an inbox, or nothing would bound them. */
const EMPTY_DATAGRAM_LENGTH = 1;
const MILLION = 1_000_000;
const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;
const IPV6 = /^[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/;

export function isLoopbackHost(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

export function isWildcardHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function isNumericHost(host: string): boolean {
  return IPV4.test(host) || IPV6.test(host);
}

/** How the sockets of a process treat what is sent; faults of the sender's own system. */
export interface SendOptions {
  /** How long the socket goes on reading the bytes of a send. */
  readonly heldNs: number;
  /** Bytes held by one socket before a send is back-pressured. */
  readonly heldLengthMax: number;
  readonly failedPerMillion: number;
  readonly backPressuredPerMillion: number;
}

/** Bytes are copied within the call, and no send fails. */
export const PERFECT_SEND: SendOptions = {
  heldNs: 0,
  heldLengthMax: 4 * 1024 * 1024,
  failedPerMillion: 0,
  backPressuredPerMillion: 0,
};

export class VirtualSocket implements DatagramSocket, EventAction, Holder {
  readonly thread: VirtualThread;
  readonly options: DatagramOptions;
  /** Bound to a loopback address: what it sends does not leave the node. */
  readonly isLoopbackOnly: boolean;
  droppedCount = 0;
  readonly #network: VirtualNetwork;
  #state: SocketState = SocketState.Opening;
  #failure: PawlError | undefined = undefined;
  #localAddress: SocketAddress | undefined = undefined;
  #remoteId = -1;
  /** Interned source addresses: towards other nodes, and towards the node itself. */
  #sourceId = -1;
  #loopbackSourceId = -1;
  #inbox: Datagram[] = [];
  #inboxHead = 0;
  #inboxLength = 0;
  /** Keys of this socket by interned address, and back. */
  readonly #keys = new Map<number, number>();
  // Keys are positive: entry 0 stands for no address.
  readonly #addressIds: number[] = [-1];
  #heldLength = 0;

  constructor(network: VirtualNetwork, thread: VirtualThread, options: DatagramOptions) {
    this.#network = network;
    this.thread = thread;
    this.options = options;
    this.isLoopbackOnly = isLoopbackHost(options.host);
    const { world } = network;
    const { socketOpenDelay } = this.node;
    const delayNs =
      socketOpenDelay === undefined ? 0 : drawDelay(socketOpenDelay, thread.process.random);
    const event = new WorldEvent(EventKind.Socket, this, undefined, this.node.id, undefined);
    world.push(event, world.nowNs + delayNs);
  }

  get node(): VirtualNode {
    return this.thread.process.node;
  }

  get state(): SocketState {
    return this.#state;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get localAddress(): SocketAddress | undefined {
    return this.#localAddress;
  }

  /** Address number that a receiver sees as the source. */
  sourceIdFor(isLoopback: boolean): number {
    return isLoopback ? this.#loopbackSourceId : this.#sourceId;
  }

  get isOpen(): boolean {
    return this.#state === SocketState.Open;
  }

  describe(): string {
    return `from ${this.node.name} to port ${this.options.remote?.port}`;
  }

  /** The system has read bytes of an earlier send. Nobody is woken: real sends complete unseen. */
  onReleased(lengthBytes: number): void {
    this.#heldLength -= lengthBytes;
  }

  /** Finishes opening. */
  runEvent(_event: WorldEvent): void {
    if (this.#state === SocketState.Opening) {
      this.#open();
    }
  }

  send(buffer: Uint8Array, offset: number, length: number): number {
    assert(this.options.remote !== undefined, 'a socket that is not connected sends by sendTo');
    return this.#send(buffer, offset, length, this.#remoteId);
  }

  sendTo(buffer: Uint8Array, offset: number, length: number, destinationKey: number): number {
    assert(this.options.remote === undefined, 'a connected socket sends to its peer alone');
    const destinationId = this.#addressIds[destinationKey];
    assert(
      destinationId !== undefined && destinationId >= 0,
      'a destination key was given by this socket',
    );
    return this.#send(buffer, offset, length, destinationId);
  }

  keyOf(address: SocketAddress): number {
    return this.#keyOfId(this.#network.internAddress(address.host, address.port));
  }

  addressOf(key: number): SocketAddress {
    const id = this.#addressIds[key];
    assert(id !== undefined && id >= 0, 'an address key was given by this socket');
    return this.#network.addressOf(id);
  }

  heldBytes(): number {
    return this.#heldLength;
  }

  poll(handler: DatagramHandler, limit: number): number {
    let count = 0;
    while (count < limit && this.#inboxHead < this.#inbox.length) {
      const datagram = this.#inbox[this.#inboxHead] as Datagram;
      this.#inboxHead++;
      this.#inboxLength -= Math.max(datagram.length, EMPTY_DATAGRAM_LENGTH);
      count++;
      const key = this.#keyOfId(datagram.sourceId);
      handler(datagram.buffer, PAYLOAD_OFFSET, datagram.length, key);
      this.#network.pool.release(datagram);
    }
    if (count > 0) {
      this.#afterPoll();
    }
    return count;
  }

  #afterPoll(): void {
    if (this.#inboxHead < this.#inbox.length) {
      // The socket stays readable.
      this.thread.wake();
      return;
    }
    for (let left = this.#inboxHead; left > 0; left--) {
      this.#inbox.pop();
    }
    this.#inboxHead = 0;
  }

  /** The system takes over or forgets what is held, as when a process closes a UDP socket. */
  close(): void {
    this.#release(SocketState.Closed);
  }

  /** The process has ended: nothing of the socket is left. */
  vanish(): void {
    this.#release(SocketState.Closed);
  }

  /** Whether a datagram to this host from this source is for this socket. */
  accepts(host: string, sourceId: number): boolean {
    const bound = this.options.host;
    const isForHost = bound === host || isWildcardHost(bound);
    return isForHost && (this.#remoteId < 0 || this.#remoteId === sourceId);
  }

  /** Takes a datagram into the inbox; false when it is full. */
  receive(datagram: Datagram): boolean {
    const { process } = this.thread;
    const length = Math.max(datagram.length, EMPTY_DATAGRAM_LENGTH);
    const { inboxLengthMax, receiveBufferLength } = this.options;
    const lengthMax = process.isRunning ? inboxLengthMax : receiveBufferLength;
    if (this.#inboxLength + length > lengthMax) {
      // What the system drops while nobody reads is not known to the process.
      this.droppedCount += process.isRunning ? 1 : 0;
      return false;
    }
    if (this.#inboxHead > 1024 && this.#inboxHead * 2 > this.#inbox.length) {
      this.#inbox = this.#inbox.slice(this.#inboxHead);
      this.#inboxHead = 0;
    }
    this.#inbox.push(datagram);
    this.#inboxLength += length;
    this.thread.wake();
    return true;
  }

  #keyOfId(addressId: number): number {
    const known = this.#keys.get(addressId);
    if (known !== undefined) {
      return known;
    }
    const key = this.#addressIds.length;
    this.#addressIds.push(addressId);
    this.#keys.set(addressId, key);
    return key;
  }

  #send(buffer: Uint8Array, offset: number, length: number, destinationId: number): number {
    const { process } = this.thread;
    if (this.#state !== SocketState.Open) {
      if (process.isEnded) {
        process.beforeEffect();
      }
      return this.#state === SocketState.Opening ? SEND_NOT_READY : SEND_FAILED;
    }
    if (length > UDP_PAYLOAD_LENGTH_MAX) {
      return SEND_FAILED;
    }
    assert(offset >= 0 && offset + length <= buffer.length, 'a datagram lies within its buffer');
    const refusal = this.#refusal(length);
    if (refusal !== 0) {
      return refusal;
    }
    process.beforeEffect();
    this.#network.transmit(this, destinationId, buffer, offset, length);
    if (this.node.sendOptions.heldNs > 0) {
      this.#hold(buffer, offset, length);
    }
    return length;
  }

  /** A result code when the sender's own system refuses the datagram, otherwise 0. */
  #refusal(length: number): number {
    const { failedPerMillion, backPressuredPerMillion, heldLengthMax } = this.node.sendOptions;
    const { random } = this.thread.process;
    if (this.#heldLength > 0 && this.#heldLength + length > heldLengthMax) {
      return SEND_BACK_PRESSURED;
    }
    if (random.chance(backPressuredPerMillion, MILLION)) {
      return SEND_BACK_PRESSURED;
    }
    return random.chance(failedPerMillion, MILLION) ? SEND_FAILED : 0;
  }

  #hold(buffer: Uint8Array, offset: number, length: number): void {
    this.#heldLength += length;
    const { heldSends, sendOptions } = this.node;
    heldSends.hold(this, buffer, offset, length, sendOptions.heldNs);
  }

  #open(): void {
    if (this.thread.process.isEnded) {
      this.#state = SocketState.Closed;
      return;
    }
    const { host, port, remote } = this.options;
    const problem = this.#addressProblem();
    if (problem !== undefined) {
      this.#fail(ErrorCode.AddressInvalid, problem);
      return;
    }
    const unreachable = remote === undefined ? undefined : this.node.connectProblem?.(remote);
    if (unreachable !== undefined) {
      this.#fail(ErrorCode.NetworkFailed, `cannot reach ${remote?.host}: ${unreachable}`);
      return;
    }
    const boundPort = this.#network.bind(this, port);
    if (boundPort === 0) {
      const advice = 'stop the process that has it, or choose another port';
      this.#fail(ErrorCode.AddressInUse, `address ${host}:${port} is in use: ${advice}`);
      return;
    }
    this.#localAddress = { host, port: boundPort };
    const primary = isWildcardHost(host) ? (this.node.hosts[0] as string) : host;
    const loopback = isWildcardHost(host) ? '127.0.0.1' : host;
    this.#sourceId = this.#network.internAddress(primary, boundPort);
    this.#loopbackSourceId = this.#network.internAddress(loopback, boundPort);
    if (remote !== undefined) {
      this.#remoteId = this.#network.internAddress(remote.host, remote.port);
    }
    this.#state = SocketState.Open;
    this.thread.wake();
  }

  #addressProblem(): string | undefined {
    const { host, port, remote } = this.options;
    for (const address of remote === undefined ? [{ host, port }] : [{ host, port }, remote]) {
      if (!isNumericHost(address.host)) {
        return `host ${address.host} is no numeric IPv4 or IPv6 address`;
      }
      const portMin = address === remote ? 1 : 0;
      if (!Number.isInteger(address.port) || address.port < portMin || address.port > PORT_MAX) {
        return `port ${address.port} is no integer from ${portMin} to ${PORT_MAX}`;
      }
    }
    const isOwn = isWildcardHost(host) || isLoopbackHost(host) || this.node.hosts.includes(host);
    return isOwn ? undefined : `host ${host} is no address of this machine`;
  }

  #fail(code: ErrorCode, message: string): void {
    this.#failure = new PawlError(code, message, 'environment');
    this.#state = SocketState.Failed;
    this.thread.wake();
  }

  #release(state: SocketState): void {
    if (this.#localAddress !== undefined && this.#state === SocketState.Open) {
      this.#network.unbind(this, this.#localAddress.port);
    }
    for (let i = this.#inboxHead; i < this.#inbox.length; i++) {
      this.#network.pool.release(this.#inbox[i] as Datagram);
    }
    this.#inbox = [];
    this.#inboxHead = 0;
    this.#inboxLength = 0;
    this.#heldLength = 0;
    if (this.#state !== SocketState.Failed) {
      this.#state = state;
    }
  }
}
