// clock-agreement.ts: whether the wall clocks of a quorum agree with this member's.
//
// Log time is the wall clock of whoever leads, and one clock may be wrong by years. A voter sends
// what its clock says with its vote; when a term starts far from the last event of the log, that
// tells a cluster that stood still for a night from a leader whose clock is wrong.

import type { MemberId } from '../consensus/election-effects.js';
import { quorumSize } from '../consensus/quorum.js';
import type { Clock } from '../ports/clock.js';
import type { LeadershipTermId } from '../position.js';

/** What voters said of their clocks in the term for which this member stands. */
export class ClockAgreement {
  readonly #clock: Clock;
  readonly #ownMemberId: MemberId;
  readonly #memberIds: ReadonlySet<MemberId>;
  #termId: LeadershipTermId = -1;
  // How far each voter's clock was ahead of the own one when its message was heard, milliseconds.
  readonly #skewsMs = new Map<MemberId, number>();

  constructor(clock: Clock, ownMemberId: MemberId, memberIds: readonly MemberId[]) {
    this.#clock = clock;
    this.#ownMemberId = ownMemberId;
    this.#memberIds = new Set(memberIds);
  }

  /** A voter's wall clock, milliseconds since 1970. Only the newest term counts. */
  onVoterClock(memberId: MemberId, termId: LeadershipTermId, wallMs: number): void {
    const isMember = this.#memberIds.has(memberId) && memberId !== this.#ownMemberId;
    if (!isMember || termId < this.#termId) {
      return;
    }
    if (termId > this.#termId) {
      this.#termId = termId;
      this.#skewsMs.clear();
    }
    this.#skewsMs.set(memberId, wallMs - this.#clock.wallMs());
  }

  /**
   * Whether a quorum's clocks, this member's among them, are within a limit of this member's.
   *
   * @param limitMs milliseconds, either way. What a message takes on its way counts as skew.
   */
  isQuorumWithin(limitMs: number, termId: LeadershipTermId): boolean {
    let agreeing = 1;
    if (termId === this.#termId) {
      for (const skewMs of this.#skewsMs.values()) {
        agreeing += Math.abs(skewMs) <= limitMs ? 1 : 0;
      }
    }
    return agreeing >= quorumSize(this.#memberIds.size);
  }
}
