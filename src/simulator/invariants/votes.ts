// votes.ts: I-1 (one leader per term) and I-2 (a vote is given once, and is durable when it is
// told).

import { MEMBER_NULL, TERM_NULL } from '../../position.js';
import type { VirtualDisk } from '../virtual-disk.js';
import { durableNodeState } from './durable-records.js';
import type { Judge } from './judge.js';

/** What is known to be durable of one member's record. */
interface DurableVote {
  termId: number;
  votedForMemberId: number;
}

/** Who votes for whom, and who leads. */
export class Votes {
  readonly #judge: Judge;
  readonly #disks: readonly VirtualDisk[];
  /** Leader by term. */
  readonly #leaders = new Map<number, number>();
  /** Candidate by term, for each member. */
  readonly #granted: readonly Map<number, number>[];
  readonly #durable: readonly DurableVote[];
  /** Members whose new directory may not be there yet. */
  readonly #blank = new Set<number>();

  constructor(judge: Judge, disks: readonly VirtualDisk[]) {
    this.#judge = judge;
    this.#disks = disks;
    this.#granted = disks.map(() => new Map<number, number>());
    this.#durable = disks.map(() => ({ termId: TERM_NULL, votedForMemberId: MEMBER_NULL }));
  }

  /** Terms that had a leader. */
  get termCount(): number {
    return this.#leaders.size;
  }

  /** A member acts as the leader of a term. */
  onLeader(memberId: number, termId: number): void {
    const known = this.#leaders.get(termId);
    if (known === undefined) {
      this.#leaders.set(termId, memberId);
    } else if (known !== memberId) {
      this.#judge.report(
        'I-1',
        `members ${known} and ${memberId} are both leaders of term ${termId}`,
      );
    }
  }

  /** A vote leaves a member: a grant, or the request of a candidate, which votes for itself. */
  onVoteSent(memberId: number, candidateId: number, termId: number): void {
    const granted = this.#granted[memberId] as Map<number, number>;
    const known = granted.get(termId);
    if (known !== undefined && known !== candidateId) {
      this.#judge.report(
        'I-2',
        `member ${memberId} votes for both ${known} and ${candidateId} in term ${termId}`,
      );
    }
    granted.set(termId, candidateId);
    const durable = this.#readDurable(memberId);
    const isTold = durable.termId === termId && durable.votedForMemberId === candidateId;
    if (!isTold && durable.termId <= termId) {
      this.#judge.report(
        'I-11',
        `member ${memberId} tells its vote for ${candidateId} in term ${termId}, but its disk is ` +
          `certain to hold only a vote for ${durable.votedForMemberId} in term ${durable.termId}`,
      );
    }
  }

  /**
   * A member acknowledges in a term: the term must be durable. Returns whether it is its latest.
   */
  onTermAcknowledged(memberId: number, termId: number): boolean {
    let durable = this.#durable[memberId] as DurableVote;
    if (durable.termId < termId) {
      durable = this.#readDurable(memberId);
    }
    if (durable.termId < termId) {
      this.#judge.report(
        'I-11',
        `member ${memberId} acknowledges in term ${termId}, but its disk is certain to hold only ` +
          `term ${durable.termId}`,
      );
    }
    return durable.termId === termId;
  }

  /**
   * A member's disk is replaced: what it had promised is not there any more. It may vote again in a
   * term in which it had voted, once a leader has admitted it: by then nobody counts its former
   * vote. That no term gets two leaders by it is I-1.
   */
  onLostDirectory(memberId: number): void {
    this.#granted[memberId]?.clear();
    const durable = this.#durable[memberId] as DurableVote;
    durable.termId = TERM_NULL;
    durable.votedForMemberId = MEMBER_NULL;
    this.#blank.add(memberId);
  }

  /** Compares the durable record with what it was before. Called when a member starts or ends. */
  check(memberId: number): void {
    this.#readDurable(memberId);
  }

  #readDurable(memberId: number): DurableVote {
    const known = this.#durable[memberId] as DurableVote;
    const state = durableNodeState(this.#disks[memberId] as VirtualDisk);
    if (state === undefined && this.#blank.has(memberId)) {
      return known;
    }
    if (state === undefined) {
      this.#judge.report('I-2', `the vote of member ${memberId} is lost`);
      return known;
    }
    this.#blank.delete(memberId);
    const { candidateTermId, votedForMemberId } = state;
    const isChanged =
      candidateTermId === known.termId &&
      known.votedForMemberId !== MEMBER_NULL &&
      votedForMemberId !== known.votedForMemberId;
    if (candidateTermId < known.termId || isChanged) {
      this.#judge.report(
        'I-2',
        `the durable vote of member ${memberId} went from ${known.votedForMemberId} in term ` +
          `${known.termId} to ${votedForMemberId} in term ${candidateTermId}`,
      );
    }
    known.termId = candidateTermId;
    known.votedForMemberId = votedForMemberId;
    return known;
  }
}
