// proposal-cursor.ts: how far a leader has proposed the pending messages of one service.

import type { ServiceMessage } from './service-host.js';

/** The leader's own: it ends with its term, and the next leader begins behind the log. */
export class ProposalCursor {
  // Messages up to this number are appended to the leader's log.
  #proposedSequence = 0;

  /** Messages that are not appended yet, of those up to `last`. */
  countTo(last: number, logged: number): number {
    return last - Math.max(this.#proposedSequence, logged);
  }

  /**
   * Hands on pending messages in order, behind what was proposed and what the log holds.
   *
   * @param logged number of the last message that the log is known to hold.
   * @param append false when the log has no room now.
   * @returns how many were appended, at most `limit`.
   */
  propose(
    pending: ReadonlyMap<number, ServiceMessage>,
    logged: number,
    limit: number,
    append: (message: ServiceMessage) => boolean,
  ): number {
    let next = Math.max(this.#proposedSequence, logged) + 1;
    let count = 0;
    for (
      let message = pending.get(next);
      message !== undefined && count < limit && append(message);
      message = pending.get(++next)
    ) {
      count++;
      this.#proposedSequence = next;
    }
    return count;
  }

  /** A term begins or ends. */
  forget(): void {
    this.#proposedSequence = 0;
  }
}
