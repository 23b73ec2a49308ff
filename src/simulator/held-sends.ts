// held-sends.ts: what sockets still read after a send, and whether it was left alone until then.
//
// A system that sends without copying reads the bytes some time after the call. Whoever reuses them
// before sends something else. All sends of one node at one instant are released by one event.

import { InvariantError } from '../assert.js';
import { type Datagram, type DatagramPool, PAYLOAD_OFFSET } from './datagram.js';
import { type EventAction, EventKind, NODE_NONE, WorldEvent } from './event-heap.js';
import type { World } from './world.js';

/** A socket that sent, as the release sees it. */
export interface Holder {
  readonly isOpen: boolean;
  /** Says whose bytes they are. */
  describe(): string;
  onReleased(lengthBytes: number): void;
}

interface HeldSend {
  readonly holder: Holder;
  readonly buffer: Uint8Array;
  readonly offset: number;
  readonly copy: Datagram;
}

interface Batch {
  readonly sends: HeldSend[];
  readonly event: WorldEvent;
}

/** The sends of one node that are not released yet. */
export class HeldSends implements EventAction {
  readonly #world: World;
  readonly #pool: DatagramPool;
  /** The batch that is filled, and those that are done and serve again. */
  #batch: Batch | undefined;
  readonly #spare: Batch[] = [];

  constructor(world: World, pool: DatagramPool) {
    this.#world = world;
    this.#pool = pool;
  }

  /** Goes on reading bytes for a while. */
  hold(
    holder: Holder,
    buffer: Uint8Array,
    offset: number,
    length: number,
    durationNs: number,
  ): void {
    const timeNs = this.#world.nowNs + durationNs;
    let batch = this.#batch;
    if (batch === undefined || batch.event.heapIndex < 0 || batch.event.timeNs !== timeNs) {
      batch = this.#spare.pop() ?? this.#newBatch();
      this.#batch = batch;
      this.#world.push(batch.event, timeNs);
    }
    batch.sends.push({ holder, buffer, offset, copy: this.#pool.copyOf(buffer, offset, length) });
  }

  /** Releases a batch. */
  runEvent(event: WorldEvent): void {
    const batch = event.subject as Batch;
    for (let send = batch.sends.pop(); send !== undefined; send = batch.sends.pop()) {
      if (send.holder.isOpen) {
        check(send);
        send.holder.onReleased(send.copy.length);
      }
      this.#pool.release(send.copy);
    }
    this.#spare.push(batch);
  }

  #newBatch(): Batch {
    const event = new WorldEvent(EventKind.Socket, this, undefined, NODE_NONE, undefined);
    const batch = { sends: [], event };
    event.subject = batch;
    return batch;
  }
}

function check({ holder, buffer, offset, copy }: HeldSend): void {
  for (let i = 0; i < copy.length; i++) {
    if (copy.buffer[PAYLOAD_OFFSET + i] !== buffer[offset + i]) {
      throw new InvariantError(
        `bytes given to send are not reused while the socket still reads them: byte ${i} of ` +
          `${copy.length} ${holder.describe()}`,
      );
    }
  }
}
