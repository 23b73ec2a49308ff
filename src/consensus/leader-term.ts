// leader-term.ts: one member's leadership of one term, from the won ballot to stepping down.
//
// The order of a beginning: the entry of the term is durable, the log publication opens at its base
// with NewLeadershipTermEvent as the first frame, and only then does anybody hear of the term.
// Heartbeats leave from the same duty cycle as everything else, and a leader whose own disk makes
// no progress gives up (B28): a leader that is stuck must be silent.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, MEMBER_NULL, type Position } from '../position.js';
import { type Admission, AdmissionDesk } from './admission.js';
import { CommitTracker } from './commit-tracker.js';
import type { ConsensusContext } from './consensus-context.js';
import {
  APPEND_FLAG_LOW_SPACE,
  APPEND_FLAG_NON_VOTING,
  CATCHUP_FLAG_JOINED,
  type MemberId,
  type NewLeadershipTerm,
} from './election-effects.js';
import { LeadershipTransfer, TransferResult } from './leadership-transfer.js';
import type { LogEnd } from './log-end.js';
import { MemberStanding } from './membership.js';
import { ReadRounds } from './read-rounds.js';
import { isPrefixOf, reconcileReply } from './reconcile.js';

export class LeaderTerm {
  readonly termId: LeadershipTermId;
  /** Whether it still leads, for reads. */
  readonly reads: ReadRounds;
  private readonly context: ConsensusContext;
  private readonly basePosition: Position;
  private readonly admissions: AdmissionDesk;
  /** The last term of each member's log, as last reported. */
  private readonly logTermIds = new Map<MemberId, LeadershipTermId>();
  private readonly acknowledged = new Set<MemberId>();
  private readonly transfer: LeadershipTransfer;
  /** Members that said so with their last acknowledgement. */
  private readonly lowSpaceMembers = new Set<MemberId>();
  private tracker: CommitTracker | undefined;
  private readonly startedNs: number;
  private announceUntilNs = 0;
  private announceNs = Number.NEGATIVE_INFINITY;
  private heartbeatNs = Number.NEGATIVE_INFINITY;
  private admissionNs = Number.NEGATIVE_INFINITY;
  private sentCommitPosition: Position = -1;
  // The time at which the own disk was last seen to have nothing to do, or to make progress.
  private diskProgressNs: number;

  constructor(context: ConsensusContext, termId: LeadershipTermId, nowNs: number) {
    this.context = context;
    this.termId = termId;
    this.reads = new ReadRounds(context, termId);
    this.startedNs = nowNs;
    this.diskProgressNs = nowNs;
    this.basePosition = context.log.end().position;
    this.transfer = new LeadershipTransfer(context, termId);
    this.admissions = new AdmissionDesk(termId, context.config.electionTimeoutNs);
    context.log.appendEntry(termId, this.basePosition);
  }

  /** Whether the term is announced: its entry is durable and its log is open. */
  isOpen(): boolean {
    return this.tracker !== undefined;
  }

  /** Position behind the event of the term. */
  eventEndPosition(): Position {
    return this.context.log.eventEndPosition();
  }

  commitPosition(): Position {
    return this.tracker?.commitPosition() ?? this.context.log.committedPosition();
  }

  isEventCommitted(): boolean {
    return this.tracker !== undefined && this.commitPosition() >= this.eventEndPosition();
  }

  admissionWaitsForLog(): boolean {
    return this.admissions.isWaitingForLog();
  }

  /** One step of the beginning; true once the term is open. */
  open(nowNs: number): boolean {
    const { log, config } = this.context;
    if (log.isStopped()) {
      log.openLeaderLog(this.termId);
    }
    if (!log.isRecording()) {
      return false;
    }
    this.tracker = new CommitTracker(
      this.termId,
      config.memberIds,
      config.memberId,
      log.eventEndPosition(),
      log.committedPosition(),
      nowNs,
    );
    this.diskProgressNs = nowNs;
    this.announceUntilNs = nowNs + config.leaderTimeoutNs;
    return true;
  }

  /** Begins to hand the term over to another member: the one that is named, or the best one. */
  startTransfer(target: MemberId | undefined, nowNs: number): TransferResult {
    const { tracker } = this;
    assert(tracker !== undefined, 'the log of a leader that takes ingress is open');
    const best = target ?? this.bestSuccessor(tracker);
    return best === undefined
      ? TransferResult.TargetUnfit
      : this.transfer.start(best, tracker, nowNs);
  }

  /** The voter with the most log that has room on its disk. */
  private bestSuccessor(tracker: CommitTracker): MemberId | undefined {
    const { members, others } = this.context;
    const fit = others.filter(
      (memberId) =>
        members.standingOf(memberId) === MemberStanding.Voter &&
        !members.isLeaving(memberId) &&
        !this.lowSpaceMembers.has(memberId) &&
        tracker.positionOf(memberId) >= 0,
    );
    return fit.sort((one, other) => tracker.positionOf(other) - tracker.positionOf(one))[0];
  }

  /** Whether nothing more may be appended, because another member is to lead. */
  isHandingOver(): boolean {
    return this.transfer.isUnderWay;
  }

  /** Nobody waits for this leader to fall silent. It names no other: whoever is fit may stand. */
  resign(): void {
    const { effects, others } = this.context;
    for (const memberId of others) {
      effects.sendLeadershipTransfer(memberId, this.termId, MEMBER_NULL);
    }
  }

  /** Whether the others were told that this leader leads no more. */
  hasHandedOver(): boolean {
    return this.transfer.isDone;
  }

  /**
   * Commits, announces, heartbeats.
   *
   * @param servicePosition what the own service has consumed.
   * @returns why the leader has to step down, or undefined.
   */
  doWork(nowNs: number, servicePosition: Position): string | undefined {
    const tracker = this.tracker;
    if (tracker === undefined) {
      if (!this.isDiskStalled(nowNs)) {
        return undefined;
      }
      hit(Mark.LeaderDiskTooSlowToBegin);
      return 'the own disk did not begin the term in time';
    }
    const reason = this.reasonToStepDown(tracker, nowNs);
    if (reason !== undefined) {
      return reason;
    }
    this.transfer.doWork(tracker, this.sentCommitPosition, servicePosition, nowNs);
    if (this.transfer.isDone) {
      return 'another member is to lead';
    }
    tracker.onOwnDurablePosition(this.context.log.durablePosition());
    tracker.advance();
    this.context.log.onCommitted(tracker.commitPosition());
    this.announce(nowNs);
    this.sendCommitPosition(nowNs);
    this.reads.doWork(nowNs);
    this.admit(nowNs);
    return undefined;
  }

  deadlineNs(): number {
    const { config, log } = this.context;
    if (this.tracker === undefined) {
      return this.startedNs + config.leaderTimeoutNs;
    }
    const announceNs = this.isAnnouncing()
      ? this.announceNs + config.electionStatusIntervalNs
      : Number.POSITIVE_INFINITY;
    const diskNs =
      log.appendPosition() > log.durablePosition()
        ? this.diskProgressNs + config.leaderTimeoutNs
        : Number.POSITIVE_INFINITY;
    const heartbeatNs = this.heartbeatNs + config.heartbeatIntervalNs;
    const quorumNs = this.tracker.activeDeadlineNs(config.leaderTimeoutNs);
    const askedNs = Math.min(this.transfer.deadlineNs(), this.reads.deadlineNs());
    return Math.min(announceNs, diskNs, heartbeatNs, quorumNs, askedNs);
  }

  /**
   * Whether the recorder has had bytes to make durable for a leader timeout, without progress, or
   * the term has not begun in that time: its entry was not written, or the log could not be read.
   */
  isDiskStalled(nowNs: number): boolean {
    const { config, log } = this.context;
    if (!this.isOpen()) {
      return nowNs >= this.startedNs + config.leaderTimeoutNs;
    }
    const isBehind = log.appendPosition() > log.durablePosition();
    return isBehind && nowNs >= this.diskProgressNs + config.leaderTimeoutNs;
  }

  /** The recorder reported; `moved` says whether the durable position did. */
  onLogProgress(moved: boolean, nowNs: number): void {
    const { log } = this.context;
    if (moved || log.appendPosition() === log.durablePosition()) {
      this.diskProgressNs = nowNs;
    }
  }

  /** A member without a leader reported its log end: tell it which log to follow. */
  onCanvassPosition(memberId: MemberId, end: LogEnd): void {
    this.logTermIds.set(memberId, end.termId);
    if (this.isOpen()) {
      hit(Mark.LeaderCanvassAnswered);
      this.sendNewLeadershipTerm(memberId);
    }
  }

  onLogTermReported(memberId: MemberId, termId: LeadershipTermId): void {
    this.logTermIds.set(memberId, termId);
  }

  /** A follower of this term asks how its log relates, or for the log itself. */
  onCatchupRequest(memberId: MemberId, end: LogEnd, flags: number): void {
    if (!this.isOpen()) {
      return;
    }
    this.logTermIds.set(memberId, end.termId);
    const { log, effects } = this.context;
    const isPrefix = isPrefixOf(log.entries(), log.appendPosition(), end.termId, end.position);
    if (isPrefix && (flags & CATCHUP_FLAG_JOINED) !== 0) {
      effects.startDestination(memberId, end.position);
    } else {
      hit(Mark.LeaderCatchupNotPrefix);
      this.sendNewLeadershipTerm(memberId);
    }
  }

  /** Another directory speaks for a member: nothing that the former one said counts for it. */
  forget(memberId: MemberId): void {
    this.tracker?.forgetPosition(memberId);
    this.reads.forget(memberId);
    this.admissions.forget(memberId);
    this.logTermIds.delete(memberId);
    this.acknowledged.delete(memberId);
    this.lowSpaceMembers.delete(memberId);
  }

  onAppendPosition(
    memberId: MemberId,
    termId: LeadershipTermId,
    position: Position,
    flags: number,
    nowNs: number,
  ): void {
    const { members, counters } = this.context;
    const tracker = this.tracker;
    if (tracker === undefined || termId !== this.termId) {
      hit(Mark.LeaderStaleAppendPosition);
      counters.messagesStale++;
      return;
    }
    this.acknowledged.add(memberId);
    if ((flags & APPEND_FLAG_LOW_SPACE) === 0) {
      this.lowSpaceMembers.delete(memberId);
    } else {
      this.lowSpaceMembers.add(memberId);
    }
    members.onVotingFlag(memberId, (flags & APPEND_FLAG_NON_VOTING) === 0);
    if (members.standingOf(memberId) === MemberStanding.Voter) {
      tracker.onAppendPosition(memberId, termId, position, nowNs);
      this.admissions.forget(memberId);
      return;
    }
    hit(Mark.LeaderLearnerPosition);
    tracker.forget(memberId);
    this.reads.forget(memberId);
    const incarnation = members.incarnationOf(memberId);
    if (incarnation !== undefined && (flags & APPEND_FLAG_NON_VOTING) !== 0) {
      this.admissions.onLearnerPosition(memberId, incarnation, position, nowNs);
    }
  }

  private reasonToStepDown(tracker: CommitTracker, nowNs: number): string | undefined {
    const { config } = this.context;
    if (!tracker.hasActiveQuorum(nowNs, config.leaderTimeoutNs)) {
      hit(Mark.LeaderQuorumLost);
      return 'no quorum acknowledged within the leader timeout';
    }
    if (this.isDiskStalled(nowNs)) {
      hit(Mark.LeaderOwnDiskStalled);
      return 'the own disk made no progress within the leader timeout';
    }
    return undefined;
  }

  private isAnnouncing(): boolean {
    return (
      this.announceNs < this.announceUntilNs && this.acknowledged.size < this.context.others.length
    );
  }

  private announce(nowNs: number): void {
    const { config, others } = this.context;
    if (!this.isAnnouncing() || nowNs < this.announceNs + config.electionStatusIntervalNs) {
      return;
    }
    this.announceNs = nowNs;
    for (const memberId of others) {
      if (!this.acknowledged.has(memberId)) {
        this.sendNewLeadershipTerm(memberId);
      }
    }
  }

  private sendNewLeadershipTerm(memberId: MemberId): void {
    const { config, effects, log } = this.context;
    const entries = log.entries();
    // Of a member that reported nothing yet, the likeliest log ends where this term began.
    const logTermId = this.logTermIds.get(memberId) ?? entries.greatestTermUpTo(this.termId - 1);
    const message: NewLeadershipTerm = {
      ...reconcileReply(entries, logTermId),
      termId: this.termId,
      termBasePosition: this.basePosition,
      commitPosition: this.commitPosition(),
      logSessionId: log.logSessionId(),
      leaderMemberId: config.memberId,
    };
    effects.sendNewLeadershipTerm(memberId, message);
  }

  private sendCommitPosition(nowNs: number): void {
    const { config, effects, others } = this.context;
    const position = this.commitPosition();
    const isDue = nowNs >= this.heartbeatNs + config.heartbeatIntervalNs;
    if (position === this.sentCommitPosition && !isDue) {
      return;
    }
    assert(position >= this.sentCommitPosition, 'the commit position never falls');
    this.heartbeatNs = nowNs;
    this.sentCommitPosition = position;
    for (const memberId of others) {
      effects.sendCommitPosition(memberId, this.termId, position);
    }
  }

  private admit(nowNs: number): void {
    const { counters, log, members } = this.context;
    if (this.admissions.isEmpty()) {
      return;
    }
    const commit = this.commitPosition();
    for (const admission of this.admissions.advance(log.appendPosition(), commit, nowNs)) {
      hit(Mark.LeaderAdmits);
      counters.admissions++;
      const { memberId, incarnation, position } = admission;
      members.onAdmitted(memberId, incarnation, this.termId, position);
      this.sendMemberAdmitted(admission);
    }
    this.repeatAdmissions(nowNs);
  }

  /** An admitted member that still acknowledges without its vote has not heard of it. */
  private repeatAdmissions(nowNs: number): void {
    if (nowNs < this.admissionNs + this.context.config.heartbeatIntervalNs) {
      return;
    }
    this.admissionNs = nowNs;
    for (const admission of this.admissions.announcements()) {
      hit(Mark.LeaderRepeatsAdmission);
      this.sendMemberAdmitted(admission);
    }
  }

  private sendMemberAdmitted(admission: Admission): void {
    const { effects, others } = this.context;
    const { memberId, incarnation, termId, position } = admission;
    for (const to of others) {
      effects.sendMemberAdmitted(to, memberId, incarnation, termId, position);
    }
  }
}
