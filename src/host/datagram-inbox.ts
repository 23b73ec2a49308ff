// datagram-inbox.ts: datagrams that have arrived and wait for the next duty cycle.
//
// Node hands over every datagram in a buffer of its own, so the inbox keeps references and copies
// nothing. It is bounded in bytes and in datagrams: what does not fit is dropped, as the kernel
// would, and repeated by the sender.

import { assert } from '../assert.js';

/** Most datagrams that wait on one socket: tiny ones cost more than their bytes. */
export const INBOX_DATAGRAM_COUNT_MAX = 16_384;
/** The ring starts small and doubles, because most sockets never hold more than a few. */
const INBOX_DATAGRAM_COUNT_START = 64;

/** One datagram that waits. Slots are reused. */
export interface InboxSlot {
  buffer: Uint8Array;
  host: string;
  port: number;
}

const NO_BYTES = new Uint8Array(0);

function slotsOf(count: number): InboxSlot[] {
  return Array.from({ length: count }, () => ({ buffer: NO_BYTES, host: '', port: 0 }));
}

/** A ring of datagrams in the order in which they arrived. */
export class DatagramInbox {
  readonly #lengthMax: number;
  #slots = slotsOf(INBOX_DATAGRAM_COUNT_START);
  #head = 0;
  #count = 0;
  #lengthBytes = 0;
  #droppedCount = 0;

  /** @param lengthMax most bytes that wait. */
  constructor(lengthMax: number) {
    assert(lengthMax > 0, 'an inbox has room');
    this.#lengthMax = lengthMax;
  }

  get count(): number {
    return this.#count;
  }

  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** Adds a datagram; false when it was dropped because there is no room. */
  push(buffer: Uint8Array, host: string, port: number): boolean {
    if (
      this.#count >= INBOX_DATAGRAM_COUNT_MAX ||
      this.#lengthBytes + buffer.length > this.#lengthMax
    ) {
      this.#droppedCount += 1;
      return false;
    }
    if (this.#count === this.#slots.length) {
      this.#grow();
    }
    const slot = this.#slots[(this.#head + this.#count) & (this.#slots.length - 1)] as InboxSlot;
    slot.buffer = buffer;
    slot.host = host;
    slot.port = port;
    this.#count += 1;
    this.#lengthBytes += buffer.length;
    return true;
  }

  /** Takes the oldest datagram out into `into`; false when there is none. */
  shift(into: InboxSlot): boolean {
    if (this.#count === 0) {
      return false;
    }
    const slot = this.#slots[this.#head] as InboxSlot;
    into.buffer = slot.buffer;
    into.host = slot.host;
    into.port = slot.port;
    this.#lengthBytes -= slot.buffer.length;
    clearSlot(slot);
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#count -= 1;
    return true;
  }

  /** Forgets everything. */
  clear(): void {
    this.#slots = slotsOf(INBOX_DATAGRAM_COUNT_START);
    this.#head = 0;
    this.#count = 0;
    this.#lengthBytes = 0;
  }

  #grow(): void {
    const slots = slotsOf(this.#slots.length * 2);
    for (let i = 0; i < this.#count; i++) {
      slots[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)] as InboxSlot;
    }
    this.#slots = slots;
    this.#head = 0;
  }
}

/** An empty slot, for `shift`. */
export function emptySlot(): InboxSlot {
  return { buffer: NO_BYTES, host: '', port: 0 };
}

/** Lets the bytes of a slot go. */
export function clearSlot(slot: InboxSlot): void {
  slot.buffer = NO_BYTES;
}
