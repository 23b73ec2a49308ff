// completion-queue.ts: finished operations that wait for the next poll.

import { assert } from '../assert.js';
import type { Completion, CompletionHandler, Ticket } from '../ports/storage.js';

/** Most completions that may wait: who submits more without polling has a leak. */
export const COMPLETION_COUNT_MAX = 65_536;

const NO_NAMES: readonly string[] = Object.freeze([]);
const COUNT_START = 64;

function slotsOf(count: number): Completion[] {
  return Array.from({ length: count }, () => ({ ticket: 0, result: 0, value: 0, names: NO_NAMES }));
}

/** A ring of completions. Slots are reused, so nothing is allocated once it has its length. */
export class CompletionQueue {
  readonly #current: Completion = { ticket: 0, result: 0, value: 0, names: NO_NAMES };
  #slots = slotsOf(COUNT_START);
  #head = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(ticket: Ticket, result: number, value: number, names: readonly string[] = NO_NAMES): void {
    if (this.#count === this.#slots.length) {
      this.#grow();
    }
    const slot = this.#slots[(this.#head + this.#count) & (this.#slots.length - 1)] as Completion;
    slot.ticket = ticket;
    slot.result = result;
    slot.value = value;
    slot.names = names;
    this.#count += 1;
  }

  /** Delivers what waits now, at most `limit`; what a handler submits waits for the next poll. */
  poll(handler: CompletionHandler, limit: number): number {
    const count = Math.min(limit, this.#count);
    const current = this.#current;
    for (let i = 0; i < count; i++) {
      const slot = this.#slots[this.#head] as Completion;
      current.ticket = slot.ticket;
      current.result = slot.result;
      current.value = slot.value;
      current.names = slot.names;
      slot.names = NO_NAMES;
      this.#head = (this.#head + 1) & (this.#slots.length - 1);
      this.#count -= 1;
      handler(current);
    }
    return count;
  }

  #grow(): void {
    assert(this.#count < COMPLETION_COUNT_MAX, 'completions are collected in every duty cycle');
    const slots = slotsOf(this.#slots.length * 2);
    for (let i = 0; i < this.#count; i++) {
      slots[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)] as Completion;
    }
    this.#slots = slots;
    this.#head = 0;
  }
}
