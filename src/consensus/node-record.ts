// node-record.ts: term, vote, voting state and known incarnations, and what of them is durable.
//
// The record changes in memory first and is durable later; nothing that relies on a change may
// leave before (B1, B3). Whoever waits remembers the sequence of the change and asks `isDurable`.

import { assert } from '../assert.js';
import { type LeadershipTermId, MEMBER_NULL, type Position, TERM_NULL } from '../position.js';
import type { KnownIncarnation, MemberId, NodeState } from './election-effects.js';

/** The durable record of one member. Every change goes through here, with its rule. */
export class NodeRecord {
  private readonly persist: (state: NodeState, sequence: number) => void;
  private readonly incarnations = new Map<MemberId, KnownIncarnation>();
  // Invariant: never falls (B8).
  private candidateTerm: LeadershipTermId;
  // Invariant: changes only with a greater candidate term, or from nobody (B7).
  private votedFor: MemberId;
  private hasVote: boolean;
  /** The vote is there but not used: the own log is damaged. Not durable; found anew at a start. */
  private isResting = false;
  private admittedTerm: LeadershipTermId;
  private admittedAt: Position;
  /** Sequence of the change that gave the vote back; 0 when it was never lost. */
  private voteSequence = 0;
  // Invariant: persistedSequence <= requestedSequence.
  private requestedSequence = 0;
  private persistedSequence = 0;

  constructor(recovered: NodeState, persist: (state: NodeState, sequence: number) => void) {
    assert(
      recovered.votedForMemberId === MEMBER_NULL || recovered.candidateTermId > TERM_NULL,
      'a recovered vote belongs to a term',
    );
    this.persist = persist;
    this.candidateTerm = recovered.candidateTermId;
    this.votedFor = recovered.votedForMemberId;
    this.hasVote = recovered.voting;
    this.admittedTerm = recovered.admittedTermId;
    this.admittedAt = recovered.admittedPosition;
    for (const known of recovered.incarnations) {
      const incarnation = BigInt.asUintN(64, known.incarnation);
      this.incarnations.set(known.memberId, { ...known, incarnation });
    }
  }

  candidateTermId(): LeadershipTermId {
    return this.candidateTerm;
  }

  votedForMemberId(): MemberId {
    return this.votedFor;
  }

  isVoting(): boolean {
    return this.hasVote && !this.isResting;
  }

  /** Whether the vote rests until the own log is whole again. */
  isVoteResting(): boolean {
    return this.isResting;
  }

  /** Lets the vote rest, or wakes it: nothing that was promised is forgotten meanwhile. */
  setVoteResting(isResting: boolean): void {
    this.isResting = isResting;
  }

  /** Whether the vote is there and durable: only then may others count on it. */
  hasDurableVote(): boolean {
    return this.isVoting() && this.isDurable(this.voteSequence);
  }

  admittedTermId(): LeadershipTermId {
    return this.admittedTerm;
  }

  admittedPosition(): Position {
    return this.admittedAt;
  }

  knownIncarnation(memberId: MemberId): KnownIncarnation | undefined {
    return this.incarnations.get(memberId);
  }

  /** Sequence of the latest change. */
  sequence(): number {
    return this.requestedSequence;
  }

  isDurable(sequence: number): boolean {
    return sequence <= this.persistedSequence;
  }

  isSettled(): boolean {
    return this.persistedSequence === this.requestedSequence;
  }

  /** Gives the vote of a term, which is a new one unless the vote was still free. */
  vote(termId: LeadershipTermId, memberId: MemberId): number {
    assert(this.isVoting(), 'a member without a vote gives none');
    assert(
      termId > this.candidateTerm || (termId === this.candidateTerm && this.isVoteFree()),
      `the vote of term ${this.candidateTerm} for ${this.votedFor} is not given again`,
    );
    this.candidateTerm = termId;
    this.votedFor = memberId;
    return this.write();
  }

  /** Takes part in a leader's term: nothing is promised to a lower one any more. */
  joinTerm(termId: LeadershipTermId): number {
    assert(termId >= this.candidateTerm, `term ${termId} is not below ${this.candidateTerm}`);
    if (termId === this.candidateTerm) {
      return this.requestedSequence;
    }
    this.candidateTerm = termId;
    this.votedFor = MEMBER_NULL;
    return this.write();
  }

  /** Loses the vote: this directory may not know what it promised. */
  loseVote(): number {
    this.hasVote = false;
    return this.write();
  }

  /** Gets the vote (back) from the leader of a term, at a position of its log. */
  gainVote(termId: LeadershipTermId, position: Position): number {
    this.hasVote = true;
    if (termId >= this.admittedTerm) {
      const isLater = termId > this.admittedTerm || position > this.admittedAt;
      this.admittedAt = isLater ? position : this.admittedAt;
      this.admittedTerm = termId;
    }
    if (termId > this.candidateTerm) {
      this.candidateTerm = termId;
      this.votedFor = MEMBER_NULL;
    }
    this.voteSequence = this.write();
    return this.voteSequence;
  }

  /** Remembers one directory of a member, in place of the one before. */
  rememberIncarnation(known: KnownIncarnation): number {
    this.incarnations.set(known.memberId, known);
    return this.write();
  }

  onPersisted(sequence: number): void {
    assert(
      sequence > this.persistedSequence && sequence <= this.requestedSequence,
      `record ${sequence} was asked for and is new`,
    );
    this.persistedSequence = sequence;
  }

  private isVoteFree(): boolean {
    return this.votedFor === MEMBER_NULL;
  }

  private write(): number {
    this.requestedSequence++;
    const state: NodeState = {
      candidateTermId: this.candidateTerm,
      votedForMemberId: this.votedFor,
      voting: this.hasVote,
      admittedTermId: this.admittedTerm,
      admittedPosition: this.admittedAt,
      incarnations: [...this.incarnations.values()].sort((a, b) => a.memberId - b.memberId),
    };
    this.persist(state, this.requestedSequence);
    return this.requestedSequence;
  }
}
