// stuck-leader.ts: a leader whose own disk stands still gives up, so that another can lead.
//
// A leader that goes on with its heartbeats while nothing of its log becomes durable freezes the
// cluster for as long as its disk hangs: nobody else may stand.

import type { Judge } from './judge.js';

/** A leader gives up after one leader timeout by its own clock; it has half of one more. */
const LIMIT_LEADER_TIMEOUTS = 1.5;

interface Standstill {
  /** Durable position that does not move; -1 while nothing is to be made durable. */
  durablePosition: number;
  sinceNs: number;
}

/** Watches leaders by their own thread: while that stands still, they can give up nothing. */
export class StuckLeader {
  readonly #judge: Judge;
  readonly #limitNs: number;
  readonly #standstills: readonly Standstill[];

  constructor(judge: Judge, memberCount: number, leaderTimeoutNs: number) {
    this.#judge = judge;
    this.#limitNs = LIMIT_LEADER_TIMEOUTS * leaderTimeoutNs;
    this.#standstills = Array.from({ length: memberCount }, () => ({
      durablePosition: -1,
      sinceNs: 0,
    }));
  }

  /** A member's own thread has done a duty cycle; what is durable of what it has appended. */
  onTurn(
    memberId: number,
    isLeading: boolean,
    durablePosition: number,
    appendPosition: number,
    nowNs: number,
  ): void {
    const standstill = this.#standstills[memberId] as Standstill;
    const isBehind = isLeading && appendPosition > durablePosition;
    const position = isBehind ? durablePosition : -1;
    if (position < 0 || position !== standstill.durablePosition) {
      standstill.durablePosition = position;
      standstill.sinceNs = nowNs;
      return;
    }
    const standingNs = nowNs - standstill.sinceNs;
    if (standingNs > this.#limitNs) {
      this.#judge.report(
        'liveness',
        `member ${memberId} still leads, though its disk has stood at ${durablePosition} of ` +
          `${appendPosition} for ${standingNs / 1e6} ms`,
      );
    }
  }
}
