// voter.ts: how a member answers a candidate.
//
// A vote is granted iff all hold: the candidate's term is above every term that this member took
// part in, its log end is not less than the own final one, the own vote counts, and no leader was
// heard within the leader timeout. The grant is durable before it leaves (B1, B3), and in one term
// it is only ever repeated to the same candidate (B7, B8).

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import { compareLogEnd, type LogEnd } from './log-end.js';

interface Grant {
  readonly to: MemberId;
  readonly termId: LeadershipTermId;
  readonly recordSequence: number;
}

export class Voter {
  private readonly context: ConsensusContext;
  /** A grant that waits to be durable; only the latest can still matter. */
  private pending: Grant | undefined;

  constructor(context: ConsensusContext) {
    this.context = context;
  }

  /**
   * Answers a request.
   *
   * @param hearsLeader whether a leader was heard within the leader timeout.
   * @returns whether a vote was newly granted; it leaves when it is durable.
   */
  onRequestVote(
    candidateId: MemberId,
    candidateEnd: LogEnd,
    termId: LeadershipTermId,
    hearsLeader: boolean,
  ): boolean {
    const { log, record } = this.context;
    if (!record.isVoting()) {
      hit(Mark.VoterWithoutVote);
      return false;
    }
    const ownTermId = record.candidateTermId();
    if (termId === ownTermId && record.votedForMemberId() === candidateId) {
      hit(Mark.VoterRepeatsGrant);
      this.repeat(candidateId, termId);
      return false;
    }
    if (termId <= ownTermId || hearsLeader) {
      hit(Mark.VoterRefusesTerm);
      this.refuse(candidateId);
      return false;
    }
    if (!log.isStopped()) {
      hit(Mark.VoterLogNotFinal);
      // The own log end is not final yet, so it cannot be compared; the candidate will ask again.
      return false;
    }
    if (compareLogEnd(candidateEnd, log.end()) < 0) {
      hit(Mark.VoterRefusesShorterLog);
      this.refuse(candidateId);
      return false;
    }
    const recordSequence = record.vote(termId, candidateId);
    this.pending = { to: candidateId, termId, recordSequence };
    return true;
  }

  /** Sends the grant once it is durable; one that a greater term has overtaken is forgotten. */
  doWork(): void {
    const grant = this.pending;
    if (grant === undefined || !this.context.record.isDurable(grant.recordSequence)) {
      return;
    }
    this.pending = undefined;
    if (grant.termId === this.context.record.candidateTermId()) {
      this.send(grant.to, grant.termId, true);
    }
  }

  /** Says no, with the own term: a deposed leader or a late candidate learns where it stands. */
  refuse(to: MemberId): void {
    const { record } = this.context;
    if (record.isSettled()) {
      this.send(to, record.candidateTermId(), false);
    }
  }

  private repeat(candidateId: MemberId, termId: LeadershipTermId): void {
    if (this.pending === undefined) {
      this.send(candidateId, termId, true);
    }
  }

  private send(to: MemberId, termId: LeadershipTermId, granted: boolean): void {
    const { effects, log, record } = this.context;
    if (granted) {
      assert(
        record.candidateTermId() === termId && record.votedForMemberId() === to,
        'only the vote in the record is granted',
      );
    }
    const end = log.endSoFar();
    effects.sendVote(to, termId, end.termId, end.position, granted);
  }
}
