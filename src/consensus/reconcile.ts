// reconcile.ts: how a follower's log becomes a prefix of its leader's.
//
// The follower names its last term t; the leader answers with L, its own greatest term <= t, and
// with the term that follows L. One answer decides one step, and each step either shortens the
// follower's log or carries it into the next term, so the rounds end.
//
// An answer only holds for a log whose last term t satisfies L <= t < next term. One that was given
// for an earlier log end (delayed, or doubled by the network) would cut a log that has meanwhile
// been extended, perhaps below what this very follower has acknowledged (B13): it is stale, and
// dropped.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, POSITION_NULL, type Position, TERM_NULL } from '../position.js';
import type { TermEntries } from './term-entries.js';

/** What relates a leader's log to a follower's last term. */
export interface ReconcileReply {
  /** L; TERM_NULL when every term of the leader's log is above the follower's last. */
  readonly logTermId: LeadershipTermId;
  /** The term after L; TERM_NULL when L is the leader's term. */
  readonly nextTermId: LeadershipTermId;
  /** End of L; POSITION_NULL when L is the leader's term and has no end. */
  readonly nextTermBasePosition: Position;
}

export const ReconcileAction = {
  /** The answer is for another log end: ask again. */
  Stale: 0,
  /** Cut the log to `position`, drop the terms above `termId`, ask again. */
  Truncate: 1,
  /** The log is a prefix: take frames of `termId` from the log end up to `position`. */
  Replicate: 2,
  /** The log is a prefix that ends with L: write (`termId`, `position`), ask again. */
  BeginTerm: 3,
  /** The log is a prefix and ends in the leader's own term: take the live log. */
  Live: 4,
} as const;
export type ReconcileAction = (typeof ReconcileAction)[keyof typeof ReconcileAction];

/** One step of reconciliation. */
export interface ReconcileStep {
  readonly action: ReconcileAction;
  readonly termId: LeadershipTermId;
  readonly position: Position;
}

const STALE: ReconcileStep = {
  action: ReconcileAction.Stale,
  termId: TERM_NULL,
  position: POSITION_NULL,
};

/** The leader's side: what to answer to a log whose last term is `followerTermId`. */
export function reconcileReply(
  leaderEntries: TermEntries,
  followerTermId: LeadershipTermId,
): ReconcileReply {
  const next = leaderEntries.entryAfter(followerTermId);
  return {
    logTermId: leaderEntries.greatestTermUpTo(followerTermId),
    nextTermId: next?.termId ?? TERM_NULL,
    nextTermBasePosition: next?.basePosition ?? POSITION_NULL,
  };
}

/** Whether a log that ends at (termId, position) is a prefix of the leader's log. */
export function isPrefixOf(
  leaderEntries: TermEntries,
  leaderEndPosition: Position,
  termId: LeadershipTermId,
  position: Position,
): boolean {
  if (leaderEntries.greatestTermUpTo(termId) !== termId) {
    return false;
  }
  return position <= (leaderEntries.entryAfter(termId)?.basePosition ?? leaderEndPosition);
}

/** The follower's side: the step that an answer asks of the log that ends at `position`. */
export function reconcileStep(
  ownEntries: TermEntries,
  position: Position,
  reply: ReconcileReply,
): ReconcileStep {
  const ownTermId = ownEntries.lastTermId();
  const hasNext = reply.nextTermId !== TERM_NULL;
  if (ownTermId < reply.logTermId || (hasNext && ownTermId >= reply.nextTermId)) {
    hit(Mark.ReconcileStaleAnswer);
    return STALE;
  }
  if (ownTermId > reply.logTermId) {
    return truncation(ownEntries, position, reply, hasNext);
  }
  if (!hasNext) {
    return { action: ReconcileAction.Live, termId: ownTermId, position: POSITION_NULL };
  }
  const endPosition = reply.nextTermBasePosition;
  if (position > endPosition) {
    hit(Mark.ReconcileWithinSharedTerm);
    return { action: ReconcileAction.Truncate, termId: ownTermId, position: endPosition };
  }
  if (position === endPosition) {
    return { action: ReconcileAction.BeginTerm, termId: reply.nextTermId, position };
  }
  return { action: ReconcileAction.Replicate, termId: ownTermId, position: endPosition };
}

/**
 * The leader lacks the last term: go back to the end of the greatest own term K up to L.
 *
 * Only if K is L may the leader's end of L cut deeper: frames of one term are the same in both
 * logs, so that end is the end of a frame here too. Within any other term it might cut a frame in
 * two.
 */
function truncation(
  ownEntries: TermEntries,
  position: Position,
  reply: ReconcileReply,
  hasNext: boolean,
): ReconcileStep {
  hit(Mark.ReconcileDropsOwnTerms);
  const keptTermId = ownEntries.greatestTermUpTo(reply.logTermId);
  const ownEnd = ownEntries.entryAfter(reply.logTermId)?.basePosition ?? position;
  assert(ownEnd <= position, 'a term begins within the log');
  const isShared = keptTermId === reply.logTermId && keptTermId !== TERM_NULL && hasNext;
  return {
    action: ReconcileAction.Truncate,
    termId: keptTermId,
    position: isShared ? Math.min(ownEnd, reply.nextTermBasePosition) : ownEnd,
  };
}
