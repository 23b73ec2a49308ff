// service-proposer.ts: the leader makes due timers and messages of services events of the log.
//
// It proposes only while ingress is open: then all services have applied everything that earlier
// leaders appended, so nothing is proposed that the log has already. What an earlier leader had
// proposed and could not commit is pending here as everywhere, and is proposed anew.

import { hit, Mark } from '../marks.js';
import type { LogPublisher } from './log-publisher.js';
import type { ServiceHost, ServiceMessage } from './service-host.js';

/** Timers of one service that are proposed in one duty cycle at most. */
export const TIMER_PROPOSAL_LIMIT = 256;
/** Messages of one service that are proposed in one duty cycle at most. */
export const MESSAGE_PROPOSAL_LIMIT = 256;

/** What a proposer asks of a service. */
export type ProposingService = Pick<ServiceHost, 'serviceId' | 'timers' | 'messages'>;

/** Proposes for the services of a member in the terms that it leads. */
export class ServiceProposer {
  readonly #services: readonly ProposingService[];
  readonly #log: LogPublisher;
  #leadershipTermId = -1;
  #nowMs = 0;
  #serviceId = 0;
  /** Timers appended to the log. */
  timerCount = 0;
  /** Messages of services appended to the log. */
  messageCount = 0;
  /** Whether the last duty cycle stopped at a limit. */
  hasMore = false;

  constructor(services: readonly ProposingService[], log: LogPublisher) {
    this.#services = services;
    this.#log = log;
  }

  /** Ingress opens in a term. */
  startTerm(leadershipTermId: number): void {
    this.#leadershipTermId = leadershipTermId;
    for (const { messages, timers } of this.#services) {
      // What was proposed in an earlier term and is still pending was lost with that term's tail.
      timers.forgetProposals();
      messages.forgetProposals();
      if (messages.unproposedCount > 0) {
        hit(Mark.ServiceMessagesOfEarlierLeader);
      }
    }
  }

  /** Appends what is due. Only while ingress is open. Returns how many events. */
  doWork(nowMs: number): number {
    this.#nowMs = nowMs;
    this.hasMore = false;
    let work = 0;
    for (const { messages, serviceId, timers } of this.#services) {
      this.#serviceId = serviceId;
      const messageCount =
        messages.unproposedCount > 0
          ? messages.propose(MESSAGE_PROPOSAL_LIMIT, this.#appendMessage)
          : 0;
      const timerCount = timers.propose(nowMs, TIMER_PROPOSAL_LIMIT, this.#appendTimer);
      this.messageCount += messageCount;
      this.timerCount += timerCount;
      this.hasMore ||=
        messageCount === MESSAGE_PROPOSAL_LIMIT || timerCount === TIMER_PROPOSAL_LIMIT;
      work += messageCount + timerCount;
    }
    return work;
  }

  /** Log time at which something may be due; 0 at once, Infinity when nothing is pending. */
  nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { messages, timers } of this.#services) {
      next = Math.min(next, messages.unproposedCount > 0 ? 0 : timers.nextDeadlineMs());
    }
    return next;
  }

  readonly #appendTimer = (correlationId: number): boolean => {
    const serviceId = this.#serviceId;
    const termId = this.#leadershipTermId;
    const end =
      serviceId === 0
        ? this.#log.appendTimer(termId, correlationId, this.#nowMs)
        : this.#log.appendServiceTimer(termId, serviceId, correlationId, this.#nowMs);
    return end >= 0;
  };

  readonly #appendMessage = (message: ServiceMessage): boolean => {
    const end = this.#log.appendServiceMessage(this.#leadershipTermId, this.#nowMs, message);
    if (end < 0) {
      hit(Mark.ServiceMessageBackPressured);
    }
    return end >= 0;
  };
}
