// timer-wheel.ts: pending timers by deadline, at a cost that does not grow with their number.
//
// A hierarchical wheel: nine levels of 64 slots, one millisecond at the lowest. A timer lies at the
// level of the highest group of six bits in which its deadline differs from the wheel's time, and
// sinks as that time approaches; whole years without a timer are stepped over at once. Timers that
// are due wait in a heap, because they leave in the order of their deadlines and, where these are
// equal, in the order in which they were scheduled.

import { assert } from '../assert.js';

const SLOT_BITS = 6;
const SLOT_COUNT = 1 << SLOT_BITS;
const SLOT_MASK = SLOT_COUNT - 1;
/** Nine groups of six bits hold every number below 2^53. */
const LEVEL_COUNT = 9;
/** Levels whose bits lie in the low part of a time. */
const LOW_LEVEL_COUNT = 5;
const LOW_PART = 2 ** (SLOT_BITS * LOW_LEVEL_COUNT);
const WORD_BITS = 32;
/** The heap is cleared of cancelled timers when they are more than half of this many. */
const COMPACTION_COUNT_MIN = 64;

const NO_SLOT = -1;

/** A timer in the wheel. Made by `timerEntry`; the links are the wheel's. */
export interface TimerEntry {
  readonly correlationId: number;
  /** Log time in milliseconds. */
  readonly deadlineMs: number;
  /** Number in the order of all timers scheduled. */
  readonly sequence: number;
  /** Slot of the wheel, or NO_SLOT. */
  slot: number;
  isDue: boolean;
  previous: TimerEntry | undefined;
  next: TimerEntry | undefined;
}

/** Makes an entry that is in no wheel. */
export function timerEntry(
  correlationId: number,
  deadlineMs: number,
  sequence: number,
): TimerEntry {
  return {
    correlationId,
    deadlineMs,
    sequence,
    slot: NO_SLOT,
    isDue: false,
    previous: undefined,
    next: undefined,
  };
}

/** Timers in the order of (deadline, sequence). */
export class TimerWheel {
  readonly #slots: (TimerEntry | undefined)[] = new Array(LEVEL_COUNT * SLOT_COUNT).fill(undefined);
  // One bit for each slot that is not empty.
  readonly #occupied = new Uint32Array((LEVEL_COUNT * SLOT_COUNT) / WORD_BITS);
  readonly #due = new DueHeap();
  // Invariant: never falls; every timer in a slot has a later deadline.
  #timeMs = 0;

  /** Adds an entry that is in no wheel. */
  add(entry: TimerEntry): void {
    assert(entry.slot === NO_SLOT && !entry.isDue, 'a timer is in the wheel once');
    if (entry.deadlineMs <= this.#timeMs) {
      this.#due.push(entry);
    } else {
      this.#link(entry, slotOf(entry.deadlineMs, this.#timeMs));
    }
  }

  /** Removes an entry, wherever it is. */
  remove(entry: TimerEntry): void {
    if (entry.isDue) {
      this.#due.remove(entry);
    } else if (entry.slot !== NO_SLOT) {
      this.#unlink(entry);
    }
  }

  /** Moves time on: what has become due waits for `takeDue`. */
  advance(nowMs: number): void {
    if (nowMs <= this.#timeMs) {
      return;
    }
    for (let slot = this.#nextSlot(); slot !== NO_SLOT; slot = this.#nextSlot()) {
      const startMs = this.#startOf(slot);
      if (startMs > nowMs) {
        break;
      }
      this.#timeMs = startMs;
      this.#sink(slot);
    }
    this.#timeMs = nowMs;
  }

  /** The first due timer whose deadline is not later than a time; it stays. */
  peekDue(nowMs: number): TimerEntry | undefined {
    const first = this.#due.peek();
    return first !== undefined && first.deadlineMs <= nowMs ? first : undefined;
  }

  /** A time at or before the earliest deadline, and exact when it is near. Infinity for none. */
  nextDeadlineMs(): number {
    const dueMs = this.#due.peek()?.deadlineMs ?? Number.POSITIVE_INFINITY;
    const slot = this.#nextSlot();
    return slot === NO_SLOT ? dueMs : Math.min(dueMs, this.#startOf(slot));
  }

  /** Index of the slot that time reaches first. */
  #nextSlot(): number {
    // Lower levels come first, and no occupied slot of a level lies behind the wheel's time.
    for (let word = 0; word < this.#occupied.length; word++) {
      const bits = this.#occupied[word] as number;
      if (bits !== 0) {
        return word * WORD_BITS + (31 - Math.clz32(bits & -bits));
      }
    }
    return NO_SLOT;
  }

  /** First time of a slot. */
  #startOf(slot: number): number {
    const rangeMs = SLOT_COUNT ** Math.floor(slot / SLOT_COUNT);
    const turnMs = rangeMs * SLOT_COUNT;
    return Math.floor(this.#timeMs / turnMs) * turnMs + (slot % SLOT_COUNT) * rangeMs;
  }

  /** Time has reached a slot: its timers move to lower levels, or are due. */
  #sink(slot: number): void {
    let entry = this.#slots[slot];
    this.#slots[slot] = undefined;
    this.#clearBit(slot);
    while (entry !== undefined) {
      const next = entry.next;
      entry.slot = NO_SLOT;
      entry.previous = undefined;
      entry.next = undefined;
      this.add(entry);
      entry = next;
    }
  }

  #link(entry: TimerEntry, slot: number): void {
    const head = this.#slots[slot];
    entry.slot = slot;
    entry.next = head;
    if (head !== undefined) {
      head.previous = entry;
    }
    this.#slots[slot] = entry;
    const word = slot >>> 5;
    this.#occupied[word] = (this.#occupied[word] as number) | (1 << (slot & 31));
  }

  #unlink(entry: TimerEntry): void {
    const { next, previous, slot } = entry;
    if (next !== undefined) {
      next.previous = previous;
    }
    if (previous !== undefined) {
      previous.next = next;
    } else {
      this.#slots[slot] = next;
      if (next === undefined) {
        this.#clearBit(slot);
      }
    }
    entry.slot = NO_SLOT;
    entry.previous = undefined;
    entry.next = undefined;
  }

  #clearBit(slot: number): void {
    const word = slot >>> 5;
    this.#occupied[word] = (this.#occupied[word] as number) & ~(1 << (slot & 31));
  }
}

/** Slot of a deadline that is later than the wheel's time. */
function slotOf(deadlineMs: number, timeMs: number): number {
  const high = Math.floor(deadlineMs / LOW_PART);
  const low = deadlineMs - high * LOW_PART;
  const timeHigh = Math.floor(timeMs / LOW_PART);
  if (high !== timeHigh) {
    const group = Math.floor((31 - Math.clz32(high ^ timeHigh)) / SLOT_BITS);
    return (LOW_LEVEL_COUNT + group) * SLOT_COUNT + ((high >>> (group * SLOT_BITS)) & SLOT_MASK);
  }
  const difference = low ^ (timeMs - timeHigh * LOW_PART);
  const group = Math.floor((31 - Math.clz32(difference)) / SLOT_BITS);
  return group * SLOT_COUNT + ((low >>> (group * SLOT_BITS)) & SLOT_MASK);
}

/** Due timers, the first on top. A removed one stays until it comes up, or too many do. */
class DueHeap {
  #entries: TimerEntry[] = [];
  #removedCount = 0;

  push(entry: TimerEntry): void {
    entry.isDue = true;
    this.#entries.push(entry);
    this.#rise(this.#entries.length - 1);
  }

  remove(entry: TimerEntry): void {
    entry.isDue = false;
    this.#removedCount++;
    const { length } = this.#entries;
    if (length > COMPACTION_COUNT_MIN && this.#removedCount > length / 2) {
      this.#entries = this.#entries.filter((one) => one.isDue).sort(compareEntries);
      this.#removedCount = 0;
    }
  }

  peek(): TimerEntry | undefined {
    let first = this.#entries[0];
    while (first !== undefined && !first.isDue) {
      this.#pop();
      this.#removedCount--;
      first = this.#entries[0];
    }
    return first;
  }

  #pop(): void {
    const last = this.#entries.pop();
    if (last !== undefined && this.#entries.length > 0) {
      this.#entries[0] = last;
      this.#fall(0);
    }
  }

  #rise(start: number): void {
    const entries = this.#entries;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (compareEntries(entries[parent] as TimerEntry, entries[index] as TimerEntry) <= 0) {
        return;
      }
      this.#swap(parent, index);
      index = parent;
    }
  }

  #fall(start: number): void {
    const entries = this.#entries;
    let index = start;
    for (;;) {
      const left = index * 2 + 1;
      let least = index;
      for (const child of [left, left + 1]) {
        const entry = entries[child];
        if (entry !== undefined && compareEntries(entry, entries[least] as TimerEntry) < 0) {
          least = child;
        }
      }
      if (least === index) {
        return;
      }
      this.#swap(index, least);
      index = least;
    }
  }

  #swap(left: number, right: number): void {
    const entry = this.#entries[left] as TimerEntry;
    this.#entries[left] = this.#entries[right] as TimerEntry;
    this.#entries[right] = entry;
  }
}

function compareEntries(left: TimerEntry, right: TimerEntry): number {
  return left.deadlineMs - right.deadlineMs || left.sequence - right.sequence;
}
