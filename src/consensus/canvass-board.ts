// canvass-board.ts: the log ends that members without a leader have reported, and who should stand.
//
// A member may stand when a quorum of fresh reports, its own included, has no more log than it:
// such a quorum can elect it. A report of more log makes it wait, for its owner is the better
// candidate, but not for ever: an owner that can send and not hear can never win.

import type { ConsensusConfig } from './consensus-config.js';
import type { MemberId } from './election-effects.js';
import { compareLogEnd, type LogEnd } from './log-end.js';
import { type MemberStanding, MemberStanding as Standing } from './membership.js';
import { quorumSize } from './quorum.js';

/** A report is fresh for this many status intervals. */
export const CANVASS_FRESHNESS_STATUS_INTERVALS = 3;

/** What the fresh reports say to one member. */
export interface CanvassOutlook {
  /** A quorum, the member included, could elect it. */
  readonly canWin: boolean;
  /** Every other member that may vote, and has not said good-bye, was heard. */
  readonly heardAll: boolean;
  readonly heardMoreLog: boolean;
  /** How many of those heard have an equal log end and a lower id. */
  readonly rank: number;
}

interface Report {
  readonly logEnd: LogEnd;
  readonly heardNs: number;
}

/** What the board asks of the member table. */
export interface MemberView {
  standingOf(memberId: MemberId): MemberStanding;
  isLeaving(memberId: MemberId): boolean;
}

export class CanvassBoard {
  private readonly config: ConsensusConfig;
  private readonly members: MemberView;
  private readonly freshnessNs: number;
  private readonly reports = new Map<MemberId, Report>();

  constructor(config: ConsensusConfig, members: MemberView) {
    this.config = config;
    this.members = members;
    this.freshnessNs = CANVASS_FRESHNESS_STATUS_INTERVALS * config.electionStatusIntervalNs;
  }

  onReport(memberId: MemberId, logEnd: LogEnd, nowNs: number): void {
    this.reports.set(memberId, { logEnd, heardNs: nowNs });
  }

  /** Another directory speaks for a member: what the former one reported is not of it. */
  forget(memberId: MemberId): void {
    this.reports.delete(memberId);
  }

  outlook(ownEnd: LogEnd, nowNs: number): CanvassOutlook {
    const { memberId: ownId, memberIds } = this.config;
    let notMore = 1;
    let rank = 0;
    let heardMoreLog = false;
    let heardAll = true;
    for (const memberId of memberIds) {
      if (memberId === ownId) {
        continue;
      }
      const report = this.freshReport(memberId, nowNs);
      if (report === undefined) {
        heardAll = heardAll && this.isExcused(memberId);
        continue;
      }
      const order = compareLogEnd(report.logEnd, ownEnd);
      heardMoreLog = heardMoreLog || order > 0;
      notMore += order > 0 ? 0 : 1;
      rank += order === 0 && memberId < ownId ? 1 : 0;
    }
    return { canWin: notMore >= quorumSize(memberIds.length), heardAll, heardMoreLog, rank };
  }

  private freshReport(memberId: MemberId, nowNs: number): Report | undefined {
    const report = this.reports.get(memberId);
    const isFresh = report !== undefined && nowNs - report.heardNs <= this.freshnessNs;
    const mayVote =
      this.members.standingOf(memberId) === Standing.Voter && !this.members.isLeaving(memberId);
    return isFresh && mayVote ? report : undefined;
  }

  /** Nobody waits for a member that said good-bye, or that could not vote anyway. */
  private isExcused(memberId: MemberId): boolean {
    const standing = this.members.standingOf(memberId);
    return (
      this.members.isLeaving(memberId) ||
      standing === Standing.Refused ||
      standing === Standing.Learner
    );
  }
}
