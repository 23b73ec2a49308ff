// medium.ts: one socket, and which bytes of the arena it may still be reading.
//
// A socket reads the very bytes that were given to it, perhaps after `send` returned. It releases
// them in the order of the sends, so a count of bytes sent minus bytes held tells what is free
// again: a slot for control frames is not rewritten, and a term is not cleaned, before that.
//
// A connected socket that could not be opened is opened again, ever more seldom: the route to a
// peer may come up after us, and files may be closed again. A bound one is not: who listens at no
// address must say so and end.

import type { Arena } from '../memory/arena.js';
import {
  type DatagramHandler,
  type DatagramSocket,
  SEND_BACK_PRESSURED,
  SEND_FAILED,
  SEND_NOT_READY,
  type SocketAddress,
  SocketState,
} from '../ports/network.js';
import type { TransportContext } from './transport-context.js';
import type { TransportCounters } from './transport-counters.js';

/** A connected socket that failed is opened again after this, then after twice as long ... */
export const REOPEN_DELAY_NS = 100_000_000;
/** ... up to this. */
export const REOPEN_DELAY_MAX_NS = 5_000_000_000;

const CONTROL_SLOT_LENGTH = 64;
/** Datagrams that are taken between two looks at the limits. */
const POLL_STEP = 4;
/** Control frames that the socket of one sender may hold at once. */
export const SENDER_CONTROL_SLOT_COUNT = 64;
/** Bytes of the arena that the socket of one sender takes. */
export const SENDER_MEDIUM_LENGTH = CONTROL_SLOT_LENGTH * SENDER_CONTROL_SLOT_COUNT;
/** Control frames that a socket with many images may hold at once. */
export const RECEIVER_CONTROL_SLOT_COUNT = 1024;

/** Where a medium is bound and, for a sender, whom it talks to. */
export interface MediumAddress {
  readonly host: string;
  readonly port: number;
  readonly remote?: SocketAddress;
  /** Whether the operator is told when it cannot be opened. Default true; otherwise counted. */
  readonly isFailureTold?: boolean;
}

/** A datagram socket with the accounting of bytes that it holds. */
export class Medium {
  #socket: DatagramSocket;
  readonly #address: MediumAddress;
  /** When a socket that failed is opened again. */
  #reopenNs: number;
  #reopenDelayNs = REOPEN_DELAY_NS;
  #isFailureNoted = false;
  readonly #context: TransportContext;
  readonly #arena: Arena;
  readonly #counters: TransportCounters;
  readonly #slots: number;
  /** Bytes sent when a slot was last used: it is free once so many were released. */
  readonly #slotMarks: Float64Array;
  #slotIndex = 0;
  #sentBytes = 0;
  #isClosed = false;

  constructor(context: TransportContext, address: MediumAddress, controlSlotCount: number) {
    this.#context = context;
    this.#arena = context.arena;
    this.#counters = context.counters;
    this.#slotMarks = new Float64Array(controlSlotCount);
    this.#slots = context.arena.allocate(CONTROL_SLOT_LENGTH * controlSlotCount);
    this.#address = address;
    this.#socket = this.#open();
    this.#reopenNs = context.nowNs + REOPEN_DELAY_NS;
  }

  #open(): DatagramSocket {
    const { config, network } = this.#context;
    const { host, port, remote } = this.#address;
    return network.open({
      host,
      port,
      ...(remote === undefined ? {} : { remote }),
      sendBufferLength: config.socketBufferLength,
      receiveBufferLength: config.socketBufferLength,
      inboxLengthMax: config.inboxLengthMax,
    });
  }

  /** When `reopenIfDue` has to be called while the socket is not open. */
  get reopenNs(): number {
    const { config, nowNs } = this.#context;
    return this.failure === undefined ? nowNs + config.sendRetryNs : this.#reopenNs;
  }

  /** Opens a connected socket that failed again, when it is time. Nothing was sent by it. */
  reopenIfDue(nowNs: number): void {
    const { failure } = this;
    const { remote } = this.#address;
    if (failure === undefined || this.#isClosed || remote === undefined) {
      return;
    }
    if (!this.#isFailureNoted) {
      this.#isFailureNoted = true;
      this.#noteFailure(failure, remote);
    }
    if (nowNs >= this.#reopenNs) {
      this.#counters.socketsReopened++;
      this.#socket.close();
      this.#socket = this.#open();
      this.#reopenDelayNs = Math.min(2 * this.#reopenDelayNs, REOPEN_DELAY_MAX_NS);
      this.#reopenNs = nowNs + this.#reopenDelayNs;
    }
  }

  #noteFailure(failure: Error, remote: SocketAddress): void {
    const { nowNs, onWarning, socketWarnings } = this.#context;
    if (this.#address.isFailureTold !== false && socketWarnings.admit(remote, nowNs)) {
      onWarning(`${failure.message}; it is tried again until it can be`);
    } else {
      this.#counters.socketFailuresUntold++;
    }
  }

  get isOpen(): boolean {
    return this.#socket.state === SocketState.Open;
  }

  get failure(): Error | undefined {
    return this.#socket.failure;
  }

  get localAddress(): SocketAddress | undefined {
    return this.#socket.localAddress;
  }

  addressOf(key: number): SocketAddress {
    return this.#socket.addressOf(key);
  }

  /** Bytes given to the socket so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** How many of them it no longer reads. */
  releasedBytes(): number {
    return this.#sentBytes - this.#socket.heldBytes();
  }

  /**
   * Takes what arrived, up to the limits of one duty cycle: datagrams go through the member a cache
   * full at a time, and the next ones are sent on while others handle these.
   *
   * @returns how many datagrams.
   */
  poll(handler: DatagramHandler): number {
    const { receiveLength, receiveLimit } = this.#context.config;
    const end = this.#counters.bytesReceived + receiveLength;
    let count = 0;
    for (;;) {
      const step = Math.min(POLL_STEP, receiveLimit - count);
      if (step === 0 || this.#counters.bytesReceived >= end) {
        this.#context.hasInput = true;
        return count;
      }
      const taken = this.#socket.poll(handler, step);
      count += taken;
      if (taken < step) {
        return count;
      }
    }
  }

  /** Sends arena bytes to the connected peer: the length, or a negative code of the port. */
  send(address: number, length: number): number {
    return this.#count(this.#socket.send(this.#arena.u8, address, length), length);
  }

  sendTo(address: number, length: number, key: number): number {
    return this.#count(this.#socket.sendTo(this.#arena.u8, address, length, key), length);
  }

  #count(result: number, length: number): number {
    if (result >= 0) {
      this.#sentBytes += length;
      this.#counters.datagramsSent++;
      this.#counters.bytesSent += length;
    } else if (result === SEND_BACK_PRESSURED) {
      this.#counters.sendsBackPressured++;
    } else if (result === SEND_FAILED) {
      this.#counters.sendsFailed++;
    }
    return result;
  }

  /** Address for the next control frame, zeroed; 0 when the socket holds all of them. */
  controlSlot(): number {
    if (this.#isClosed || this.releasedBytes() < (this.#slotMarks[this.#slotIndex] as number)) {
      return 0;
    }
    const address = this.#slots + this.#slotIndex * CONTROL_SLOT_LENGTH;
    this.#arena.u8.fill(0, address, address + CONTROL_SLOT_LENGTH);
    return address;
  }

  /** Sends the control frame that was written in the slot; key 0 means the connected peer. */
  sendControl(address: number, length: number, key: number): number {
    if (this.#isClosed || !this.isOpen) {
      return SEND_NOT_READY;
    }
    const result = key === 0 ? this.send(address, length) : this.sendTo(address, length, key);
    if (result >= 0) {
      this.#slotMarks[this.#slotIndex] = this.#sentBytes;
      this.#slotIndex = (this.#slotIndex + 1) % this.#slotMarks.length;
    }
    return result;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#socket.close();
      this.#arena.release(this.#slots, CONTROL_SLOT_LENGTH * this.#slotMarks.length);
    }
  }
}

/** The lowest position that a socket may still read from, in constant space. */
export class HeldPositions {
  /** Bytes sent when the younger of two epochs began. */
  #epochStart = 0;
  #olderMin = Number.POSITIVE_INFINITY;
  #youngerMin = Number.POSITIVE_INFINITY;

  /** Bytes from a position on were given to the socket. */
  note(position: number): void {
    if (position < this.#youngerMin) {
      this.#youngerMin = position;
    }
  }

  /** Infinity when nothing is held. Not higher than the truth, and at most two epochs behind it. */
  oldest(medium: Medium): number {
    const released = medium.releasedBytes();
    if (released >= medium.sentBytes) {
      this.#olderMin = Number.POSITIVE_INFINITY;
      this.#youngerMin = Number.POSITIVE_INFINITY;
      this.#epochStart = medium.sentBytes;
    } else if (released >= this.#epochStart) {
      this.#olderMin = this.#youngerMin;
      this.#youngerMin = Number.POSITIVE_INFINITY;
      this.#epochStart = medium.sentBytes;
    }
    return Math.min(this.#olderMin, this.#youngerMin);
  }
}

/** The local address from which to reach a peer: its own loopback, or any. */
export function localHostFor(remoteHost: string): string {
  if (remoteHost.includes(':')) {
    return remoteHost === '::1' ? '::1' : '::';
  }
  return remoteHost.startsWith('127.') ? '127.0.0.1' : '0.0.0.0';
}
