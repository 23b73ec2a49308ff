// counters.ts: named 64-bit gauges in shared memory.
//
// Each counter has a line of 128 bytes to itself: two cache lines, so that neither two writers nor
// the prefetcher of neighbouring lines make threads wait for each other. Labels stay in the thread
// that allocated; other threads are given addresses.

import { COUNTER_LENGTH } from '../../assembly/layout/memory-map.js';
import { assert } from '../assert.js';
import type { Arena } from './arena.js';

/** One counter. Values are safe integers. */
export class Counter {
  readonly arena: Arena;
  /** Aligned to 8. */
  readonly address: number;

  private constructor(arena: Arena, address: number) {
    assert(address % 8 === 0, 'a counter lies at a multiple of 8');
    this.arena = arena;
    this.address = address;
  }

  /** A view of the counter at an address. */
  static at(arena: Arena, address: number): Counter {
    return new Counter(arena, address);
  }

  get(): number {
    return this.arena.core.counterGet(this.address);
  }

  set(value: number): void {
    this.arena.core.counterSet(this.address, value);
  }

  /** Raises the counter to a value if that is greater; returns the counter's value after. */
  proposeMax(value: number): number {
    return this.arena.core.counterProposeMax(this.address, value);
  }

  /** Adds; returns the value before. */
  getAndAdd(delta: number): number {
    return this.arena.core.counterGetAndAdd(this.address, delta);
  }

  increment(): void {
    this.arena.core.counterGetAndAdd(this.address, 1);
  }
}

/** Slab of counters with labels, allocated and released one by one. */
export class CounterSet {
  readonly arena: Arena;
  readonly #address: number;
  readonly #countMax: number;
  readonly #labels: (string | undefined)[] = [];

  /**
   * Allocates room for counters in an arena of this thread.
   *
   * @param countMax counters that exist at once, at most.
   */
  constructor(arena: Arena, countMax: number) {
    assert(Number.isInteger(countMax) && countMax > 0, 'a counter set has room for counters');
    this.arena = arena;
    this.#countMax = countMax;
    this.#address = arena.allocate(countMax * COUNTER_LENGTH);
  }

  /** A new counter of a given value, or undefined when all are in use. */
  allocate(label: string, value = 0): Counter | undefined {
    const free = this.#labels.indexOf(undefined);
    const index = free === -1 ? this.#labels.length : free;
    if (index >= this.#countMax) {
      return undefined;
    }
    this.#labels[index] = label;
    const counter = Counter.at(this.arena, this.#address + index * COUNTER_LENGTH);
    counter.set(value);
    return counter;
  }

  /** Frees a counter of this set; its address may be given out again. */
  free(counter: Counter): void {
    const index = (counter.address - this.#address) / COUNTER_LENGTH;
    assert(this.#labels[index] !== undefined, 'a counter is freed once, to its own set');
    this.#labels[index] = undefined;
  }

  /** Labels and values of the counters in use, in the order of their addresses. */
  snapshot(): { label: string; value: number }[] {
    const result: { label: string; value: number }[] = [];
    for (const [index, label] of this.#labels.entries()) {
      if (label !== undefined) {
        const address = this.#address + index * COUNTER_LENGTH;
        result.push({ label, value: this.arena.core.counterGet(address) });
      }
    }
    return result;
  }

  /** Gives the slab back. No counter of it may be used any more. */
  release(): void {
    this.arena.release(this.#address, this.#countMax * COUNTER_LENGTH);
  }
}
