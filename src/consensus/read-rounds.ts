// read-rounds.ts: how the leader of a term learns that it still leads, without writing to the log.
//
// A read may be answered from the own state only if no other leader had committed anything when the
// read arrived. So the leader asks: every member that follows it answers a probe with the round
// that the probe names. A quorum of answers to a round shows that at some time after the round
// began no other leader had a quorum. Acknowledgements of the log show nothing of the kind: they
// are conflated, and may have left before the read arrived.
//
// Each question wakes a member, and all but a quorum are woken for nothing. So a round asks those
// who answered fastest, and everybody else only when they let it wait. Who is fast is learned now
// and then, by a round that asks all.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import { quorumPosition } from './quorum.js';

/** No round: rounds of a term are counted from 1. */
export const NO_ROUND = 0;

/** A round that waits for so much of a status interval asks everybody. */
const PATIENCE_SHARE = 0.1;

/** The rounds of one term. They ascend, so that an answer to one round is none to a later one. */
export class ReadRounds {
  readonly #context: ConsensusContext;
  readonly #termId: LeadershipTermId;
  readonly #ownIndex: number;
  /** The greatest round that each member has answered while it had a vote. */
  readonly #answered: Float64Array;
  readonly #scratch: Float64Array;
  #begun = NO_ROUND;
  #confirmed = NO_ROUND;
  /** The others: first those that answered first when all were asked. */
  readonly #order: MemberId[];
  #probeNs = Number.NEGATIVE_INFINITY;
  // The last round that asked all, when it did, and how many have answered it.
  #wideRound = NO_ROUND;
  #wideNs = Number.NEGATIVE_INFINITY;
  #wideAnswers = 0;

  constructor(context: ConsensusContext, termId: LeadershipTermId) {
    const { memberId, memberIds } = context.config;
    this.#context = context;
    this.#termId = termId;
    this.#ownIndex = memberIds.indexOf(memberId);
    this.#order = [...context.others];
    this.#answered = new Float64Array(memberIds.length).fill(NO_ROUND);
    this.#scratch = new Float64Array(memberIds.length);
  }

  /** The greatest round that a quorum has answered. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** Begins a round. A leader alone confirms it at once. */
  begin(nowNs: number): number {
    this.#begun++;
    this.#answered[this.#ownIndex] = this.#begun;
    this.#context.counters.readRounds++;
    if (nowNs - this.#wideNs >= this.#context.config.electionStatusIntervalNs) {
      this.#askAll(nowNs);
    } else {
      // With the leader itself these are a quorum.
      const count = Math.floor(this.#answered.length / 2);
      this.#ask(count, nowNs);
    }
    this.#count();
    return this.#begun;
  }

  /** A member with a vote answered a round. */
  onAcknowledgement(memberId: MemberId, round: number): void {
    const index = this.#context.config.memberIds.indexOf(memberId);
    const known = this.#answered[index];
    if (known === undefined || round > this.#begun) {
      this.#context.counters.messagesInvalid++;
    } else if (round > known) {
      this.#answered[index] = round;
      if (round === this.#wideRound) {
        this.#rank(memberId);
      }
      this.#count();
    } else {
      hit(Mark.ReadAnswerOfEarlierRound);
    }
  }

  /** A member lost its vote, or its directory: nothing that it answered counts any more. */
  forget(memberId: MemberId): void {
    const index = this.#context.config.memberIds.indexOf(memberId);
    this.#answered[index] = NO_ROUND;
  }

  /** Asks all where some do not answer, and again where the answers may be lost. */
  doWork(nowNs: number): void {
    if (nowNs >= this.deadlineNs()) {
      hit(this.#wideRound === this.#begun ? Mark.ReadProbeRepeated : Mark.ReadProbeWidened);
      this.#askAll(nowNs);
    }
  }

  /** When the round that is under way is asked for again. */
  deadlineNs(): number {
    if (this.#confirmed === this.#begun) {
      return Number.POSITIVE_INFINITY;
    }
    const intervalNs = this.#context.config.electionStatusIntervalNs;
    const share = this.#wideRound === this.#begun ? 1 : PATIENCE_SHARE;
    return this.#probeNs + share * intervalNs;
  }

  #askAll(nowNs: number): void {
    if (this.#wideRound !== this.#begun) {
      this.#wideRound = this.#begun;
      this.#wideAnswers = 0;
    }
    this.#wideNs = nowNs;
    this.#ask(this.#order.length, nowNs);
  }

  #ask(count: number, nowNs: number): void {
    this.#probeNs = nowNs;
    for (let index = 0; index < count; index++) {
      const memberId = this.#order[index] as MemberId;
      this.#context.effects.sendReadProbe(memberId, this.#termId, this.#begun);
    }
  }

  /** Who answers a round that asked all goes in front of those who have not. */
  #rank(memberId: MemberId): void {
    this.#order.splice(this.#order.indexOf(memberId), 1);
    this.#order.splice(this.#wideAnswers++, 0, memberId);
  }

  #count(): void {
    const reached = quorumPosition(this.#answered, this.#scratch);
    this.#confirmed = Math.max(this.#confirmed, reached);
  }
}
