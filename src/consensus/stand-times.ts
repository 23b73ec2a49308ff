// stand-times.ts: when a member without a leader may stand, apart from what the others report.

import { hit, Mark } from '../marks.js';
import { MEMBER_NULL } from '../position.js';
import type { CanvassOutlook } from './canvass-board.js';
import type { ConsensusConfig } from './consensus-config.js';
import { type ConsensusContext, randomDelayNs } from './consensus-context.js';
import type { MemberId } from './election-effects.js';

const NEVER_NS = Number.NEGATIVE_INFINITY;
/** After its disk stalled, a member lets the others stand first for this many leader timeouts. */
const STALL_COOL_DOWN_LEADER_TIMEOUTS = 10;

/** What holds a member back, or sends it forward. */
export class StandTimes {
  readonly #config: ConsensusConfig;
  /** Ballots that this member lost since there was a leader. */
  failedBallots = 0;
  #eligibleNs = NEVER_NS;
  #randomPartNs = 0;
  #stalledUntilNs = NEVER_NS;
  /** Another has its ballot, or is to have it. */
  #askedUntilNs = NEVER_NS;
  /** The leader named this member, which need not look for a quorum first. */
  #namedUntilNs = NEVER_NS;

  constructor(config: ConsensusConfig) {
    this.#config = config;
  }

  /**
   * A quorum could elect this member from now on. A random part of the delay keeps two that are
   * equal from standing at the same time again and again.
   */
  onEligible(context: ConsensusContext, nowNs: number): void {
    this.#eligibleNs = nowNs;
    this.#randomPartNs = randomDelayNs(context, this.#config.electionTimeoutNs / 4);
  }

  /** The own disk made no progress while this member led. */
  onStall(nowNs: number): void {
    this.#stalledUntilNs = nowNs + STALL_COOL_DOWN_LEADER_TIMEOUTS * this.#config.leaderTimeoutNs;
  }

  /** Another member stands and will ask, perhaps again. */
  onOtherStands(nowNs: number): void {
    this.#askedUntilNs = nowNs + this.#config.electionTimeoutNs;
    this.#namedUntilNs = NEVER_NS;
  }

  /** A leader stepped down: the member that it named stands at once, and the others let it. */
  onTransfer(target: MemberId, own: MemberId, nowNs: number): void {
    if (target === MEMBER_NULL) {
      hit(Mark.ElectionLeaderResigned);
    } else if (target === own) {
      hit(Mark.ElectionNamed);
      this.onNamed(nowNs);
    } else {
      hit(Mark.ElectionOtherNamed);
      this.onOtherStands(nowNs);
    }
  }

  /** The leader handed over to this member. */
  onNamed(nowNs: number): void {
    this.#namedUntilNs = nowNs + this.#config.electionTimeoutNs;
  }

  /** A member that was named stands once by that name. */
  onStand(): void {
    this.#namedUntilNs = NEVER_NS;
  }

  isNamed(nowNs: number): boolean {
    return nowNs < this.#namedUntilNs;
  }

  isHeldBack(nowNs: number): boolean {
    return nowNs < this.#askedUntilNs;
  }

  /**
   * When this member stands, as things look: better and earlier candidates get their time first.
   */
  nominateNs(outlook: CanvassOutlook, nowNs: number): number {
    const { electionStatusIntervalNs, electionTimeoutNs } = this.#config;
    const isFirst = outlook.rank === 0 && this.failedBallots === 0;
    return (
      this.#eligibleNs +
      (outlook.heardAll ? 0 : electionStatusIntervalNs) +
      (outlook.rank * electionTimeoutNs) / 4 +
      (isFirst ? 0 : this.#randomPartNs) +
      (outlook.heardMoreLog ? electionTimeoutNs : 0) +
      (nowNs < this.#stalledUntilNs ? 2 * electionTimeoutNs : 0)
    );
  }
}
