// candidacy.ts: one candidate's ballot in one term.
//
// It ends as soon as a quorum has granted: nobody waits for the dead. A vote that arrives after the
// election timeout is not counted any more, even if this process slept and finds it in its buffers:
// the rule by which lost votes are forgotten (admission.ts) relies on it.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import { quorumSize } from './quorum.js';

export const BallotResult = { Open: 0, Won: 1, Lost: 2 } as const;
export type BallotResult = (typeof BallotResult)[keyof typeof BallotResult];

export class Candidacy {
  readonly termId: LeadershipTermId;
  private readonly context: ConsensusContext;
  private readonly recordSequence: number;
  private readonly granted = new Set<MemberId>();
  private readonly refused = new Set<MemberId>();
  // Set when the first request leaves.
  private endNs = Number.POSITIVE_INFINITY;
  private requestNs = Number.NEGATIVE_INFINITY;
  private readonly isNamed: boolean;

  /** @param isNamed the leader handed over: the others may still be stopping their logs. */
  constructor(context: ConsensusContext, termId: LeadershipTermId, isNamed = false) {
    this.isNamed = isNamed;
    this.context = context;
    this.termId = termId;
    this.recordSequence = context.record.vote(termId, context.config.memberId);
  }

  /** Whether the vote for itself is durable: before that, nobody is asked (B1, B3). */
  isDurable(): boolean {
    return this.context.record.isDurable(this.recordSequence);
  }

  deadlineNs(): number {
    return Math.min(this.endNs, this.requestNs + this.context.config.electionStatusIntervalNs);
  }

  onVote(memberId: MemberId, granted: boolean, nowNs: number): void {
    if (nowNs >= this.endNs) {
      hit(Mark.CandidacyVoteTooLate);
      return;
    }
    if (granted) {
      this.granted.add(memberId);
      this.refused.delete(memberId);
    } else if (!this.granted.has(memberId)) {
      hit(Mark.CandidacyRefused);
      this.refused.add(memberId);
    }
  }

  /** Another directory speaks for a member: it knows nothing of a vote of the former one. */
  forget(memberId: MemberId): void {
    this.granted.delete(memberId);
    this.refused.delete(memberId);
  }

  /** A member reported its log end: it can answer now, and need not wait for the next turn. */
  onReport(memberId: MemberId, nowNs: number): void {
    const isAsked = this.requestNs > Number.NEGATIVE_INFINITY && nowNs < this.endNs;
    if (this.isNamed && isAsked && !this.granted.has(memberId)) {
      const { effects, log } = this.context;
      const end = log.end();
      effects.sendRequestVote(memberId, end.termId, end.position, this.termId);
    }
  }

  /** Asks those that have not granted, and counts. */
  doWork(nowNs: number): BallotResult {
    assert(this.isDurable(), 'a candidate asks for votes once its own is durable');
    const { config, others, effects, log } = this.context;
    const needed = quorumSize(config.memberIds.length);
    if (1 + this.granted.size >= needed) {
      return BallotResult.Won;
    }
    if (nowNs >= this.endNs || config.memberIds.length - this.refused.size < needed) {
      return BallotResult.Lost;
    }
    if (nowNs >= this.requestNs + config.electionStatusIntervalNs) {
      this.requestNs = nowNs;
      this.endNs = Math.min(this.endNs, nowNs + config.electionTimeoutNs);
      const end = log.end();
      for (const memberId of others) {
        if (!this.granted.has(memberId)) {
          effects.sendRequestVote(memberId, end.termId, end.position, this.termId);
        }
      }
    }
    return BallotResult.Open;
  }
}
