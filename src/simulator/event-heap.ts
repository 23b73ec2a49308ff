// event-heap.ts: what happens next.
//
// A binary heap of events, ordered by time and then by sequence number. The keys live in arrays of
// numbers beside the events, so that sifting compares plain numbers. An event knows its place in
// the heap: it is cancelled or moved by real removal, and nothing dead stays behind.

import { assert } from '../assert.js';

/** What an event does. One object serves many events: there is no closure per event. */
export interface EventAction {
  runEvent(event: WorldEvent): void;
}

/** Whose time an event belongs to: events wait while it is paused and vanish when it has ended. */
export interface EventOwner {
  readonly nodeId: number;
  readonly isRunning: boolean;
  readonly isEnded: boolean;
  /** Keeps an event of a paused owner until it resumes. */
  defer(event: WorldEvent): void;
}

/** Kinds of events; part of the trace. */
export const EventKind = {
  /** Called by a test, a nemesis or a workload. */
  Call: 1,
  /** A duty cycle of one thread. */
  Turn: 2,
  /** A datagram reaches its node. */
  Arrival: 3,
  /** A socket finishes opening, or releases held bytes. */
  Socket: 4,
  /** A storage operation completes. */
  Storage: 5,
  /** A paused process resumes. */
  Resume: 6,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** No node: the event belongs to the world itself. */
export const NODE_NONE = -1;

/** Virtual time ends here, so that sums of times stay exact: 52 days. */
export const WORLD_TIME_NS_MAX = 2 ** 52;

/** One thing that will happen. Reusable: it may be put into the heap again once it has run. */
export class WorldEvent {
  readonly kind: EventKind;
  readonly action: EventAction;
  /** What the action works on. */
  subject: unknown;
  /** Node that may change, or NODE_NONE. */
  nodeId: number;
  /** Process whose end drops the event; undefined for the network, the disks and the world. */
  owner: EventOwner | undefined;
  timeNs = 0;
  /** Index in the heap, or -1 outside of it. Maintained by the heap. */
  heapIndex = -1;
  /** Waits in its owner's list until the owner resumes. */
  isDeferred = false;

  constructor(
    kind: EventKind,
    action: EventAction,
    subject: unknown,
    nodeId: number,
    owner: EventOwner | undefined,
  ) {
    this.kind = kind;
    this.action = action;
    this.subject = subject;
    this.nodeId = nodeId;
    this.owner = owner;
  }
}

/** Events by (time, sequence). */
export class EventHeap {
  readonly #times: number[] = [];
  readonly #sequences: number[] = [];
  readonly #events: WorldEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  /** Time of the first event, or Infinity. */
  get firstTimeNs(): number {
    return this.#events.length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  push(event: WorldEvent, timeNs: number, sequence: number): void {
    assert(event.heapIndex < 0, 'an event is in the heap once');
    event.timeNs = timeNs;
    const index = this.#events.length;
    this.#times.push(timeNs);
    this.#sequences.push(sequence);
    this.#events.push(event);
    this.#siftUp(index, event, timeNs, sequence);
  }

  /** Removes and returns the first event. */
  pop(): WorldEvent | undefined {
    const first = this.#events[0];
    if (first !== undefined) {
      this.#removeAt(0);
    }
    return first;
  }

  /** Removes an event; false when it was not in the heap. */
  remove(event: WorldEvent): boolean {
    if (event.heapIndex < 0) {
      return false;
    }
    assert(this.#events[event.heapIndex] === event, 'an event knows its place in its heap');
    this.#removeAt(event.heapIndex);
    return true;
  }

  #removeAt(index: number): void {
    (this.#events[index] as WorldEvent).heapIndex = -1;
    const event = this.#events.pop() as WorldEvent;
    const timeNs = this.#times.pop() as number;
    const sequence = this.#sequences.pop() as number;
    if (index === this.#events.length) {
      return;
    }
    const parent = (index - 1) >> 1;
    if (index > 0 && this.#isBefore(timeNs, sequence, parent)) {
      this.#siftUp(index, event, timeNs, sequence);
    } else {
      this.#siftDown(index, event, timeNs, sequence);
    }
  }

  #isBefore(timeNs: number, sequence: number, index: number): boolean {
    const other = this.#times[index] as number;
    return timeNs < other || (timeNs === other && sequence < (this.#sequences[index] as number));
  }

  #siftUp(start: number, event: WorldEvent, timeNs: number, sequence: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(timeNs, sequence, parent)) {
        break;
      }
      this.#move(parent, index);
      index = parent;
    }
    this.#place(index, event, timeNs, sequence);
  }

  #siftDown(start: number, event: WorldEvent, timeNs: number, sequence: number): void {
    const size = this.#events.length;
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) {
        break;
      }
      const right = child + 1;
      if (
        right < size &&
        this.#isBefore(this.#times[right] as number, this.#sequences[right] as number, child)
      ) {
        child = right;
      }
      if (this.#isBefore(timeNs, sequence, child)) {
        break;
      }
      this.#move(child, index);
      index = child;
    }
    this.#place(index, event, timeNs, sequence);
  }

  #move(from: number, to: number): void {
    this.#place(
      to,
      this.#events[from] as WorldEvent,
      this.#times[from] as number,
      this.#sequences[from] as number,
    );
  }

  #place(index: number, event: WorldEvent, timeNs: number, sequence: number): void {
    this.#times[index] = timeNs;
    this.#sequences[index] = sequence;
    this.#events[index] = event;
    event.heapIndex = index;
  }
}
