// term-entries.ts: which leadership term ordered which range of the log.
//
// An entry (T, B) says that frames from B on, up to the next entry's base, were ordered by the
// leader of T. The list mirrors the recording log on disk and changes only when the disk has
// changed.

import { assert } from '../assert.js';
import { type LeadershipTermId, POSITION_NULL, type Position, TERM_NULL } from '../position.js';

/** One leadership term of the log. */
export interface TermEntry {
  readonly termId: LeadershipTermId;
  readonly basePosition: Position;
}

/** Invariant: terms ascend strictly, bases ascend, the first base is 0. */
export class TermEntries {
  private readonly list: TermEntry[] = [];

  constructor(entries: readonly TermEntry[]) {
    for (const entry of entries) {
      this.append(entry.termId, entry.basePosition);
    }
  }

  append(termId: LeadershipTermId, basePosition: Position): void {
    const last = this.list.at(-1);
    assert(Number.isSafeInteger(termId) && termId >= 0, `term ${termId} is a term`);
    assert(last === undefined || termId > last.termId, `term ${termId} is above the last`);
    assert(
      last === undefined ? basePosition === 0 : basePosition >= last.basePosition,
      `base ${basePosition} of term ${termId} continues the log`,
    );
    this.list.push({ termId, basePosition });
  }

  /**
   * Drops every entry of a term above `lastTermId`; those that remain must begin within the log.
   */
  truncate(position: Position, lastTermId: LeadershipTermId): void {
    while (this.lastTermId() > lastTermId) {
      this.list.pop();
    }
    const last = this.list.at(-1);
    assert(
      last === undefined ? position === 0 : last.basePosition <= position,
      `a log cut to ${position} keeps no term that begins beyond`,
    );
  }

  entries(): readonly TermEntry[] {
    return this.list;
  }

  /** Last term; TERM_NULL of a log that was never begun. */
  lastTermId(): LeadershipTermId {
    return this.list.at(-1)?.termId ?? TERM_NULL;
  }

  /** The greatest term that is not above `termId`; TERM_NULL when there is none. */
  greatestTermUpTo(termId: LeadershipTermId): LeadershipTermId {
    const entry = this.list[this.countUpTo(termId) - 1];
    return entry?.termId ?? TERM_NULL;
  }

  /** The entry after the greatest term that is not above `termId`. */
  entryAfter(termId: LeadershipTermId): TermEntry | undefined {
    return this.list[this.countUpTo(termId)];
  }

  /** Base of a term; POSITION_NULL when the log does not hold the term. */
  basePositionOf(termId: LeadershipTermId): Position {
    const entry = this.list[this.countUpTo(termId) - 1];
    return entry !== undefined && entry.termId === termId ? entry.basePosition : POSITION_NULL;
  }

  private countUpTo(termId: LeadershipTermId): number {
    let count = this.list.length;
    while (count > 0 && (this.list[count - 1] as TermEntry).termId > termId) {
      count--;
    }
    return count;
  }
}
