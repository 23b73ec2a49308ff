// timer-proposer.ts: the leader makes timers that are due events of the log.
//
// It proposes only while ingress is open: then the service has applied everything that earlier
// leaders appended, so no timer is proposed that the log has fired already.

import type { LogPublisher } from './log-publisher.js';
import type { TimerSource } from './service-host.js';

/** Timers proposed in one duty cycle at most. */
export const TIMER_PROPOSAL_LIMIT = 256;

/** Proposes the timers of one service in the terms that this member leads. */
export class TimerProposer {
  readonly #timers: TimerSource;
  readonly #log: LogPublisher;
  #leadershipTermId = -1;
  #nowMs = 0;
  /** Timers appended to the log. */
  proposedCount = 0;
  /** Whether the last duty cycle stopped at its limit. */
  hasMore = false;

  constructor(timers: TimerSource, log: LogPublisher) {
    this.#timers = timers;
    this.#log = log;
  }

  /** Ingress opens in a term. */
  startTerm(leadershipTermId: number): void {
    this.#leadershipTermId = leadershipTermId;
    // What was proposed in an earlier term and is still pending was lost with that term's tail.
    this.#timers.forgetProposals();
  }

  /** Appends what is due. Only while ingress is open. Returns how many events. */
  doWork(nowMs: number): number {
    this.#nowMs = nowMs;
    const count = this.#timers.propose(nowMs, TIMER_PROPOSAL_LIMIT, this.#append);
    this.proposedCount += count;
    this.hasMore = count === TIMER_PROPOSAL_LIMIT;
    return count;
  }

  /** Log time at which the next timer may be due; Infinity when none is pending. */
  nextDeadlineMs(): number {
    return this.#timers.nextDeadlineMs();
  }

  readonly #append = (correlationId: number): boolean =>
    this.#log.appendTimer(this.#leadershipTermId, correlationId, this.#nowMs) >= 0;
}
