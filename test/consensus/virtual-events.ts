// virtual-events.ts: seeded random numbers and a queue of events in virtual time.

/** Mulberry32: small, fast, and the same everywhere. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  nextUint32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.nextUint32() / 2 ** 32) * bound);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.nextUint32() < probability * 2 ** 32;
  }
}

interface Event {
  readonly timeNs: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** Events by time, and by order of scheduling within one time. */
export class EventQueue {
  nowNs = 0;
  private readonly heap: Event[] = [];
  private sequence = 0;

  after(delayNs: number, run: () => void): void {
    this.at(this.nowNs + delayNs, run);
  }

  at(timeNs: number, run: () => void): void {
    const event = { timeNs: Math.max(timeNs, this.nowNs), sequence: this.sequence++, run };
    const heap = this.heap;
    heap.push(event);
    let index = heap.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent] as Event, event)) {
        break;
      }
      heap[index] = heap[parent] as Event;
      index = parent;
    }
    heap[index] = event;
  }

  hasBefore(endNs: number): boolean {
    const first = this.heap[0];
    return first !== undefined && first.timeNs <= endNs;
  }

  advance(timeNs: number): void {
    this.nowNs = Math.max(this.nowNs, timeNs);
  }

  step(): void {
    const heap = this.heap;
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length > 0) {
      this.sink(last);
    }
    this.nowNs = first.timeNs;
    first.run();
  }

  private sink(event: Event): void {
    const heap = this.heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) {
        break;
      }
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) {
        child++;
      }
      if (isBefore(event, heap[child] as Event)) {
        break;
      }
      heap[index] = heap[child] as Event;
      index = child;
    }
    heap[index] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.timeNs < b.timeNs || (a.timeNs === b.timeNs && a.sequence < b.sequence);
}
