// election-reads.ts: what members say to each other so that a leader may answer reads.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import type { ElectionMachine } from './election-machine.js';
import { MemberStanding } from './membership.js';
import type { MessageGate } from './message-gate.js';
import { NO_ROUND } from './read-rounds.js';

/** Read probes and their answers; the part of an election that reads need. */
export class ElectionReads {
  readonly #context: ConsensusContext;
  readonly #gate: MessageGate;
  readonly #machine: ElectionMachine;

  constructor(context: ConsensusContext, gate: MessageGate, machine: ElectionMachine) {
    this.#context = context;
    this.#gate = gate;
    this.#machine = machine;
  }

  /**
   * Asks whether this member still leads.
   *
   * @returns the round that tells it once it is confirmed; NO_ROUND when this member does not lead,
   *   or has not committed anything in its term: it may not know of all that is committed.
   */
  begin(nowNs: number): number {
    const { leader } = this.#machine;
    return leader?.isEventCommitted() === true ? leader.reads.begin(nowNs) : NO_ROUND;
  }

  /** The greatest round of the term that is led which a quorum has answered. */
  get confirmed(): number {
    return this.#machine.leader?.reads.confirmed ?? NO_ROUND;
  }

  /** A leader asks. Whoever is in a greater term says so, for it leads no more. */
  onProbe(from: MemberId, termId: LeadershipTermId, round: number, nowNs: number): void {
    const { counters, record } = this.#context;
    const machine = this.#machine;
    if (!this.#isAcceptable(from, MemberStanding.Learner, termId, round)) {
      return;
    }
    const { follower } = machine;
    if (termId < record.candidateTermId()) {
      hit(Mark.ReadProbeOfDeposedLeader);
      counters.messagesStale++;
      machine.voter.refuse(from);
    } else if (follower?.termId === termId && follower.leaderMemberId === from) {
      machine.leaderWatch.hear(from, nowNs);
      follower.onReadProbe(round);
    } else {
      counters.messagesStale++;
    }
  }

  /** A follower has answered. Only a member with a vote can have taken part in another term. */
  onAcknowledgement(from: MemberId, termId: LeadershipTermId, round: number): void {
    if (!this.#isAcceptable(from, MemberStanding.Voter, termId, round)) {
      return;
    }
    const { leader } = this.#machine;
    if (leader?.termId === termId) {
      leader.reads.onAcknowledgement(from, round);
    } else {
      this.#context.counters.messagesStale++;
    }
  }

  #isAcceptable(
    from: MemberId,
    least: MemberStanding,
    termId: LeadershipTermId,
    round: number,
  ): boolean {
    return (
      !this.#machine.hasLeft() &&
      this.#gate.admits(from, least) &&
      this.#gate.isPossibleTerm(termId, round) &&
      !this.#machine.yieldTo(termId, from)
    );
  }
}
