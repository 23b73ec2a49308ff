// leader-watch.ts: which leader a member has heard, and when.
//
// A member that hears a leader neither stands nor votes: so a member that cannot hear does not
// depose a leader that a quorum hears.

import { type LeadershipTermId, MEMBER_NULL, TERM_NULL } from '../position.js';
import type { MemberId } from './election-effects.js';

const NEVER_NS = Number.NEGATIVE_INFINITY;

/** The leader that was heard last. */
export class LeaderWatch {
  readonly #timeoutNs: number;
  #heardNs = NEVER_NS;
  #memberId: MemberId = MEMBER_NULL;
  #resignedTermId: LeadershipTermId = TERM_NULL;

  /** @param timeoutNs a leader that was silent for so long is not heard any more. */
  constructor(timeoutNs: number) {
    this.#timeoutNs = timeoutNs;
  }

  hears(nowNs: number): boolean {
    return nowNs < this.deadlineNs();
  }

  hear(memberId: MemberId, nowNs: number): void {
    this.#heardNs = nowNs;
    this.#memberId = memberId;
  }

  /** What was heard of a member is void: it leads no more. */
  forget(memberId: MemberId): void {
    if (this.#memberId === memberId) {
      this.#heardNs = NEVER_NS;
    }
  }

  /** The leader of a term handed over: what still arrives of its leadership is void. */
  resign(termId: LeadershipTermId): void {
    this.#resignedTermId = Math.max(this.#resignedTermId, termId);
  }

  hasResigned(termId: LeadershipTermId): boolean {
    return termId <= this.#resignedTermId;
  }

  /** When the leader is not heard any more if it stays silent. */
  deadlineNs(): number {
    return this.#heardNs + this.#timeoutNs;
  }
}
