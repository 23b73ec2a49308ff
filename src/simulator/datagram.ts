// datagram.ts: datagrams on their way, and the pool that they come from.
//
// A datagram owns its bytes (copied at the send) and the event of its arrival. Both are reused, so
// a packet costs no allocation in the long run. Released bytes are scribbled over: whoever kept a
// view of a datagram beyond the handler's call reads garbage at once, not only in production.

import { type EventAction, EventKind, NODE_NONE, WorldEvent } from './event-heap.js';
import type { VirtualNode } from './virtual-node.js';

/** Payload starts here, so that a handler that ignores its offset fails at once. */
export const PAYLOAD_OFFSET = 24;
const CLASS_SHIFT_MIN = 8;
const CLASS_SHIFT_MAX = 17;
/** Datagrams kept per length class. */
const POOLED_COUNT_MAX = 512;
const SCRIBBLE = 0xdb;
/** Up to here a loop is faster than making a view for `set`. */
const LOOP_COPY_LENGTH_MAX = 128;

/** One datagram in flight or in an inbox. */
export class Datagram {
  readonly buffer: Uint8Array;
  readonly arrival: WorldEvent;
  length = 0;
  /** Interned source and destination; see VirtualNetwork. */
  sourceId = 0;
  destinationId = 0;
  sourceNodeId = 0;
  destination: VirtualNode | undefined = undefined;

  constructor(capacity: number, action: EventAction) {
    this.buffer = new Uint8Array(capacity);
    this.arrival = new WorldEvent(EventKind.Arrival, action, this, NODE_NONE, undefined);
  }
}

/** Free datagrams by length class. */
export class DatagramPool {
  readonly #free: Datagram[][] = [];
  readonly #action: EventAction;

  constructor(action: EventAction) {
    this.#action = action;
    for (let shift = CLASS_SHIFT_MIN; shift <= CLASS_SHIFT_MAX; shift++) {
      this.#free.push([]);
    }
  }

  /** A datagram with a copy of the bytes. */
  copyOf(buffer: Uint8Array, offset: number, length: number): Datagram {
    const shift = Math.max(CLASS_SHIFT_MIN, 32 - Math.clz32(length + PAYLOAD_OFFSET - 1));
    const free = this.#free[shift - CLASS_SHIFT_MIN] as Datagram[];
    const datagram = free.pop() ?? new Datagram(2 ** shift, this.#action);
    const target = datagram.buffer;
    if (length > LOOP_COPY_LENGTH_MAX) {
      target.set(buffer.subarray(offset, offset + length), PAYLOAD_OFFSET);
    } else {
      for (let i = 0; i < length; i++) {
        target[PAYLOAD_OFFSET + i] = buffer[offset + i] as number;
      }
    }
    datagram.length = length;
    return datagram;
  }

  release(datagram: Datagram): void {
    const shift = 31 - Math.clz32(datagram.buffer.length);
    const free = this.#free[shift - CLASS_SHIFT_MIN] as Datagram[];
    datagram.buffer.fill(SCRIBBLE, PAYLOAD_OFFSET, PAYLOAD_OFFSET + datagram.length);
    datagram.destination = undefined;
    if (free.length < POOLED_COUNT_MAX) {
      free.push(datagram);
    }
  }
}
