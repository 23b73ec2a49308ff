// read-rounds.ts: how the leader of a term learns that it still leads, without writing to the log.
//
// A read may be answered from the own state only if no other leader had committed anything when the
// read arrived. So the leader asks: every member that follows it answers a probe with the round
// that the probe names. A quorum of answers to a round shows that at some time after the round
// began no other leader had a quorum. Acknowledgements of the log show nothing of the kind: they
// are conflated, and may have left before the read arrived.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import { quorumPosition } from './quorum.js';

/** No round: rounds of a term are counted from 1. */
export const NO_ROUND = 0;

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
  #probeNs = Number.NEGATIVE_INFINITY;

  constructor(context: ConsensusContext, termId: LeadershipTermId) {
    const { memberId, memberIds } = context.config;
    this.#context = context;
    this.#termId = termId;
    this.#ownIndex = memberIds.indexOf(memberId);
    this.#answered = new Float64Array(memberIds.length).fill(NO_ROUND);
    this.#scratch = new Float64Array(memberIds.length);
  }

  /** The greatest round that a quorum has answered. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** Begins a round and asks everybody. A leader alone confirms it at once. */
  begin(nowNs: number): number {
    this.#begun++;
    this.#answered[this.#ownIndex] = this.#begun;
    this.#context.counters.readRounds++;
    this.#probe(nowNs);
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
      this.#count();
    } else {
      hit(Mark.ReadAnswerOfEarlierRound);
    }
  }

  /** A member lost its vote: nothing that it answered counts any more. */
  forget(memberId: MemberId): void {
    const index = this.#context.config.memberIds.indexOf(memberId);
    this.#answered[index] = NO_ROUND;
  }

  /** Asks again, where the answers to a round may be lost. */
  doWork(nowNs: number): void {
    if (nowNs >= this.deadlineNs()) {
      hit(Mark.ReadProbeRepeated);
      this.#probe(nowNs);
    }
  }

  /** When the round that is under way is asked for again. */
  deadlineNs(): number {
    return this.#confirmed === this.#begun
      ? Number.POSITIVE_INFINITY
      : this.#probeNs + this.#context.config.electionStatusIntervalNs;
  }

  #probe(nowNs: number): void {
    this.#probeNs = nowNs;
    const { effects, others } = this.#context;
    for (const memberId of others) {
      effects.sendReadProbe(memberId, this.#termId, this.#begun);
    }
  }

  #count(): void {
    const reached = quorumPosition(this.#answered, this.#scratch);
    this.#confirmed = Math.max(this.#confirmed, reached);
  }
}
