// leadership-transfer.ts: a leader hands its office to a member that it names.
//
// Nothing but a normal election with a hint. The leader appends nothing more, waits until the
// target has acknowledged all of the log and the own service has answered all of it, tells
// everybody, and steps down; the target stands at once, the others wait for it. No rule of voting
// or committing knows of it, so a hint that is lost, late or repeated costs an election at worst.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId, Position } from '../position.js';
import type { CommitTracker } from './commit-tracker.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import { MemberStanding } from './membership.js';

/** What becomes of the wish to transfer leadership. */
export const TransferResult = {
  Started: 0,
  /** This member does not lead, or is not ready yet. */
  NotLeader: -1,
  /** Not another member of this cluster. */
  UnknownTarget: -2,
  /** The target has no vote, was not heard in this term, or leaves. */
  TargetUnfit: -3,
  UnderWay: -4,
} as const;
export type TransferResult = (typeof TransferResult)[keyof typeof TransferResult];

/** A leader takes no ingress for at most this many election status intervals. */
export const TRANSFER_PAUSE_STATUS_INTERVALS = 2;

/** The transfers that one leader tries in one term. */
export class LeadershipTransfer {
  readonly #context: ConsensusContext;
  readonly #termId: LeadershipTermId;
  #target: MemberId | undefined;
  #endNs = Number.POSITIVE_INFINITY;
  #isDone = false;

  constructor(context: ConsensusContext, termId: LeadershipTermId) {
    this.#context = context;
    this.#termId = termId;
  }

  /** While it is under way the leader appends nothing. */
  get isUnderWay(): boolean {
    return this.#target !== undefined;
  }

  /** The target was told: this leader leads no more. */
  get isDone(): boolean {
    return this.#isDone;
  }

  deadlineNs(): number {
    return this.#endNs;
  }

  start(target: MemberId, tracker: CommitTracker, nowNs: number): TransferResult {
    const { config, counters, members, others } = this.#context;
    if (!others.includes(target)) {
      return TransferResult.UnknownTarget;
    }
    if (this.isUnderWay) {
      return TransferResult.UnderWay;
    }
    const isVoter = members.standingOf(target) === MemberStanding.Voter;
    if (!isVoter || members.isLeaving(target) || tracker.positionOf(target) < 0) {
      return TransferResult.TargetUnfit;
    }
    this.#target = target;
    this.#endNs = nowNs + TRANSFER_PAUSE_STATUS_INTERVALS * config.electionStatusIntervalNs;
    counters.transfers++;
    return TransferResult.Started;
  }

  /**
   * One step; call it before anything is said in a turn.
   *
   * @param sentCommitPosition what the followers were told is committed.
   * @param servicePosition what the own service has consumed, and answered.
   */
  doWork(
    tracker: CommitTracker,
    sentCommitPosition: Position,
    servicePosition: Position,
    nowNs: number,
  ): void {
    const target = this.#target;
    if (target === undefined) {
      return;
    }
    const { counters, effects, log, others } = this.#context;
    const end = log.appendPosition();
    const isComplete =
      tracker.positionOf(target) >= end && sentCommitPosition >= end && servicePosition >= end;
    if (isComplete) {
      hit(Mark.LeaderHandsOver);
      this.#isDone = true;
      for (const memberId of others) {
        effects.sendLeadershipTransfer(memberId, this.#termId, target);
      }
    } else if (nowNs >= this.#endNs) {
      hit(Mark.LeaderTransferTooSlow);
      counters.transfersFailed++;
      this.#target = undefined;
      this.#endNs = Number.POSITIVE_INFINITY;
    }
  }
}
