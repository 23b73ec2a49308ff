// log-end.ts: how much log a member has, and which of two has more.
//
// A log end is a pair (last term in the recording log, durable position). Pairs compare term first:
// comparing component by component once let a stale log win (B14).

import type { LeadershipTermId, Position } from '../position.js';

/** End of a log. Invariant: durable, and final while its owner has no leader. */
export interface LogEnd {
  /** Last term in the recording log; TERM_NULL when the log was never begun. */
  readonly termId: LeadershipTermId;
  readonly position: Position;
}

/** Negative when a is the lesser log, positive when it is the greater, zero when they are equal. */
export function compareLogEnd(a: LogEnd, b: LogEnd): number {
  if (a.termId !== b.termId) {
    return a.termId < b.termId ? -1 : 1;
  }
  return a.position < b.position ? -1 : a.position > b.position ? 1 : 0;
}
