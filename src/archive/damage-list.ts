// damage-list.ts: which ranges of the recorded log are known to be damaged.
//
// Kept in memory only: what is damaged is found again by whoever reads it, and a list on the same
// disk could not be trusted more than the log itself.

import type { Position } from '../position.js';

/** Ranges that are told apart; beyond that the last two count as one. */
export const DAMAGED_RANGE_COUNT_MAX = 1024;

/** Bytes [from, to) of the log. Frames are whole up to `from`, and again from `to` on. */
export interface DamagedRange {
  readonly from: Position;
  readonly to: Position;
}

/** Damaged ranges, ascending, apart from each other. */
export class DamageList {
  #ranges: DamagedRange[] = [];

  constructor(ranges: readonly DamagedRange[] = []) {
    for (const range of ranges) {
      this.add(range);
    }
  }

  get ranges(): readonly DamagedRange[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Adds a range, joined with those that it touches. False when all of it was known. */
  add(range: DamagedRange): boolean {
    if (range.from >= range.to || this.#ranges.some((known) => isWithin(range, known))) {
      return false;
    }
    let { from, to } = range;
    const apart: DamagedRange[] = [];
    for (const known of this.#ranges) {
      if (known.to < from || known.from > to) {
        apart.push(known);
      } else {
        from = Math.min(from, known.from);
        to = Math.max(to, known.to);
      }
    }
    apart.push({ from, to });
    this.#ranges = apart.sort((left, right) => left.from - right.from);
    if (this.#ranges.length > DAMAGED_RANGE_COUNT_MAX) {
      const last = this.#ranges.pop() as DamagedRange;
      const previous = this.#ranges.pop() as DamagedRange;
      this.#ranges.push({ from: previous.from, to: last.to });
    }
    return true;
  }

  /** Takes [from, to) out: it is sound again, or gone. */
  remove(from: Position, to: Position): void {
    this.#ranges = this.#ranges.flatMap((known) => {
      const parts = [
        { from: known.from, to: Math.min(known.to, from) },
        { from: Math.max(known.from, to), to: known.to },
      ];
      return parts.filter((part) => part.from < part.to);
    });
  }

  /** Whether bytes at a position are damaged. */
  covers(position: Position): boolean {
    return this.#ranges.some((range) => position >= range.from && position < range.to);
  }

  /** The first damaged position at or behind a position; Infinity when there is none. */
  firstFrom(position: Position): Position {
    const range = this.#ranges.find((known) => known.to > position);
    return range === undefined ? Number.POSITIVE_INFINITY : Math.max(position, range.from);
  }
}

function isWithin(range: DamagedRange, known: DamagedRange): boolean {
  return range.from >= known.from && range.to <= known.to;
}
