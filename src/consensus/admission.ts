// admission.ts: when a leader may give a member its (lost) vote back.
//
// A member that lost what it promised must not be able to decide twice. Two harms are possible: it
// may have acknowledged log that it no longer has, and it may have voted in a term above the
// leader's. So it is admitted by a leader L only when
//   (1) L has committed, on a quorum without the member, something that L appended when the member
//       had been in L's term for two election timeouts. A candidate counts votes for one election
//       timeout only, so no candidate that could hold a lost vote is still counting, and none has
//       won
//       above L's term: a quorum without the member was in L's term after that time;
//   (2) its durable position has reached the commit position that L had at (1).

import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, POSITION_NULL, type Position } from '../position.js';
import type { MemberId } from './election-effects.js';

interface Learner {
  incarnation: bigint;
  joinedNs: number;
  durablePosition: Position;
  /** The leader's append position at the end of the wait; POSITION_NULL before. */
  probePosition: Position;
  /** The commit position at (1); POSITION_NULL before. */
  targetPosition: Position;
}

/** A member that may vote again. */
export interface Admission {
  readonly memberId: MemberId;
  readonly incarnation: bigint;
  readonly termId: LeadershipTermId;
  readonly position: Position;
}

/** The learners of one leader in one term. */
export class AdmissionDesk {
  private readonly termId: LeadershipTermId;
  private readonly waitNs: number;
  private readonly learners = new Map<MemberId, Learner>();
  private readonly admitted = new Map<MemberId, Admission>();

  constructor(termId: LeadershipTermId, electionTimeoutNs: number) {
    this.termId = termId;
    this.waitNs = 2 * electionTimeoutNs;
  }

  /** A member without a vote acknowledged in this term. */
  onLearnerPosition(
    memberId: MemberId,
    incarnation: bigint,
    durablePosition: Position,
    nowNs: number,
  ): void {
    const learner = this.learners.get(memberId);
    if (learner === undefined || learner.incarnation !== incarnation) {
      this.admitted.delete(memberId);
      this.learners.set(memberId, {
        incarnation,
        joinedNs: nowNs,
        durablePosition,
        probePosition: POSITION_NULL,
        targetPosition: POSITION_NULL,
      });
      return;
    }
    learner.durablePosition = Math.max(learner.durablePosition, durablePosition);
  }

  /** A member acknowledged with its vote, or is another directory now: nothing is left to tell. */
  forget(memberId: MemberId): void {
    this.learners.delete(memberId);
    this.admitted.delete(memberId);
  }

  /** Moves every learner on; returns those that were admitted by this step. */
  advance(appendPosition: Position, commitPosition: Position, nowNs: number): Admission[] {
    const admissions: Admission[] = [];
    for (const [memberId, learner] of this.learners) {
      this.advanceLearner(learner, appendPosition, commitPosition, nowNs);
      const isCaughtUp =
        learner.targetPosition !== POSITION_NULL &&
        learner.durablePosition >= learner.targetPosition;
      if (isCaughtUp && !this.admitted.has(memberId)) {
        const admission = {
          memberId,
          incarnation: learner.incarnation,
          termId: this.termId,
          position: learner.targetPosition,
        };
        this.admitted.set(memberId, admission);
        admissions.push(admission);
      }
    }
    return admissions;
  }

  /** Those admitted that have not yet acknowledged with their vote: they are told again. */
  announcements(): Iterable<Admission> {
    return this.admitted.values();
  }

  isEmpty(): boolean {
    return this.learners.size === 0;
  }

  /**
   * Whether an admission waits for something new to be committed, which an idle log never brings.
   */
  isWaitingForLog(): boolean {
    for (const learner of this.learners.values()) {
      if (learner.probePosition !== POSITION_NULL && learner.targetPosition === POSITION_NULL) {
        hit(Mark.AdmissionWaitsForLog);
        return true;
      }
    }
    return false;
  }

  private advanceLearner(
    learner: Learner,
    appendPosition: Position,
    commitPosition: Position,
    nowNs: number,
  ): void {
    if (learner.probePosition === POSITION_NULL) {
      if (nowNs >= learner.joinedNs + this.waitNs) {
        hit(Mark.AdmissionProbeSet);
        learner.probePosition = appendPosition;
      }
      return;
    }
    if (learner.targetPosition === POSITION_NULL && commitPosition > learner.probePosition) {
      learner.targetPosition = commitPosition;
    }
  }
}
