// follower-term.ts: one member's time as a follower of one leader.
//
// First the term is durable in the own record, then the log is reconciled round by round, and only
// then does an acknowledgement name a position of it. Before that the member acknowledges position
// 0, which is true of every log and tells the leader that it is alive.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, POSITION_NULL, type Position } from '../position.js';
import { DurabilityLevel } from '../protocol/codecs/enumerations.js';
import type { ConsensusContext } from './consensus-context.js';
import {
  APPEND_FLAG_CATCHING_UP,
  APPEND_FLAG_LOW_SPACE,
  APPEND_FLAG_NON_VOTING,
  CATCHUP_FLAG_JOINED,
  type MemberId,
  type NewLeadershipTerm,
} from './election-effects.js';
import { ReconcileAction, reconcileStep } from './reconcile.js';

/**
 * A joined log that stays silent for this many status intervals while behind is asked for again.
 */
export const LOG_SILENCE_STATUS_INTERVALS = 4;

export class FollowerTerm {
  readonly termId: LeadershipTermId;
  readonly leaderMemberId: MemberId;
  private readonly context: ConsensusContext;
  private readonly termBasePosition: Position;
  private readonly logSessionId: number;
  private readonly recordSequence: number;
  /** The leader's answer that the next step follows; undefined while one has to be asked for. */
  private answer: NewLeadershipTerm | undefined;
  private leaderCommitPosition: Position;
  /** The commit position named when joining: catch-up ends there. */
  private catchupPosition: Position;
  // Invariant: true only if the own log, as far as durable, is a prefix of the leader's.
  private isReconciled = false;
  private isJoined = false;
  private isLive = false;
  private limitPosition: Position = POSITION_NULL;
  private heardLog = false;
  private requestNs = Number.NEGATIVE_INFINITY;
  // A log that is lost again and again is joined once per status interval.
  private rejoinNs = Number.NEGATIVE_INFINITY;
  private logHeardNs = Number.NEGATIVE_INFINITY;
  private acknowledgeNs = Number.NEGATIVE_INFINITY;
  private acknowledgedPosition: Position = POSITION_NULL;

  constructor(context: ConsensusContext, message: NewLeadershipTerm) {
    this.context = context;
    this.termId = message.termId;
    this.leaderMemberId = message.leaderMemberId;
    this.termBasePosition = message.termBasePosition;
    this.logSessionId = message.logSessionId;
    this.answer = message;
    this.leaderCommitPosition = message.commitPosition;
    this.catchupPosition = message.commitPosition;
    this.recordSequence = context.record.joinTerm(message.termId);
  }

  /** The log of the leader's own term is joined, live. */
  isInLeadersTerm(): boolean {
    return this.isLive;
  }

  isCaughtUp(): boolean {
    return this.isLive && this.context.log.durablePosition() >= this.catchupPosition;
  }

  /** The leader has committed the event of its term. */
  isTermCommitted(): boolean {
    return this.leaderCommitPosition > this.termBasePosition;
  }

  leaderCommit(): Position {
    return this.leaderCommitPosition;
  }

  onNewLeadershipTerm(message: NewLeadershipTerm): void {
    assert(message.leaderMemberId === this.leaderMemberId, `term ${this.termId} has one leader`);
    this.onCommitPosition(message.commitPosition);
    if (!this.isJoined) {
      this.answer = message;
    }
  }

  onCommitPosition(position: Position): void {
    this.leaderCommitPosition = Math.max(this.leaderCommitPosition, position);
  }

  /**
   * The leader asks whether it still leads. A member without a vote cannot tell: with its directory
   * it may have lost what it promised to another.
   */
  onReadProbe(round: number): void {
    const { effects, record } = this.context;
    if (record.isDurable(this.recordSequence) && record.hasDurableVote()) {
      effects.sendReadAcknowledgement(this.leaderMemberId, this.termId, round);
    }
  }

  onLogActivity(nowNs: number): void {
    this.heardLog = true;
    this.logHeardNs = nowNs;
  }

  /** The image of the log is gone: join again where the own log ends, without an election. */
  onLogLost(nowNs: number): void {
    if (!this.isJoined) {
      return;
    }
    hit(Mark.FollowerLogLost);
    this.leaveLog();
    this.rejoinNs = nowNs + this.context.config.electionStatusIntervalNs;
    this.catchupPosition = this.leaderCommitPosition;
  }

  deadlineNs(): number {
    const { config, log, record } = this.context;
    if (!record.isDurable(this.recordSequence)) {
      return Number.POSITIVE_INFINITY;
    }
    const acknowledgeNs = this.acknowledgeNs + config.heartbeatIntervalNs;
    if (this.isJoined) {
      return this.isBehind() ? Math.min(acknowledgeNs, this.silenceDeadlineNs()) : acknowledgeNs;
    }
    if (!log.isStopped()) {
      return acknowledgeNs;
    }
    const requestNs = this.requestNs + config.electionStatusIntervalNs;
    return Math.min(acknowledgeNs, Math.max(requestNs, this.rejoinNs));
  }

  /** One step: record, reconcile, join, acknowledge. */
  doWork(nowNs: number): void {
    const { log, record } = this.context;
    if (!record.isDurable(this.recordSequence)) {
      return;
    }
    if (this.isReconciled) {
      log.onCommitted(this.leaderCommitPosition);
    }
    if (this.isJoined) {
      this.followLog(nowNs);
    }
    if (!this.isJoined && log.isStopped() && nowNs >= this.rejoinNs) {
      this.reconcile(nowNs);
    }
    this.acknowledge(nowNs);
  }

  private followLog(nowNs: number): void {
    const { log } = this.context;
    if (this.limitPosition !== POSITION_NULL && log.durablePosition() >= this.limitPosition) {
      hit(Mark.FollowerTermEndReached);
      assert(log.durablePosition() === this.limitPosition, 'nothing is taken beyond a term');
      this.leaveLog();
      return;
    }
    if (this.isBehind() && nowNs >= this.silenceDeadlineNs()) {
      hit(Mark.FollowerSilentLogAskedAgain);
      this.request(CATCHUP_FLAG_JOINED, nowNs);
    }
  }

  private leaveLog(): void {
    this.isJoined = false;
    this.isLive = false;
    this.context.log.stop();
  }

  private isBehind(): boolean {
    const target =
      this.limitPosition === POSITION_NULL ? this.leaderCommitPosition : this.limitPosition;
    return !this.heardLog || this.context.log.durablePosition() < target;
  }

  private silenceDeadlineNs(): number {
    const silenceNs = LOG_SILENCE_STATUS_INTERVALS * this.context.config.electionStatusIntervalNs;
    return Math.max(this.requestNs, this.logHeardNs) + silenceNs;
  }

  /**
   * At level page-cache a power cut may take from a quorum what was committed. Whoever kept it
   * ends, and leaves to its operator what becomes of it; at level fsync it cannot happen.
   *
   * @throws PawlError LOG_CORRUPT.
   */
  private refuseToLose(position: Position): void {
    const { config, log } = this.context;
    const committed = log.committedPosition();
    if (position >= committed || config.durability !== DurabilityLevel.PageCache) {
      return;
    }
    hit(Mark.ReconcileCommitLost);
    throw new PawlError(
      ErrorCode.LogCorrupt,
      `leader ${this.leaderMemberId} of term ${this.termId} has no log from position ${position} ` +
        `on that this member knows to be committed up to ${committed}: a quorum of the members ` +
        'has lost it, as a power cut can do at durability page-cache. This directory holds what ' +
        'they lost: keep a copy of it; to go on without it, let this member join anew from an ' +
        'empty directory',
      'corruption',
    );
  }

  /** Follows the leader's answer one step, or asks for one. */
  private reconcile(nowNs: number): void {
    const { config, log } = this.context;
    const end = log.end();
    const step =
      this.answer === undefined
        ? undefined
        : reconcileStep(log.entries(), end.position, this.answer);
    switch (step?.action) {
      case ReconcileAction.Truncate:
        assert(!this.isReconciled, 'a log that is a prefix of the leader log is never cut');
        hit(Mark.ReconcileTruncates);
        this.context.counters.truncations++;
        this.requestNs = Number.NEGATIVE_INFINITY;
        this.answer = undefined;
        this.refuseToLose(step.position);
        log.truncate(step.position, step.termId);
        break;
      case ReconcileAction.BeginTerm:
        hit(Mark.ReconcileBeginsTerm);
        this.isReconciled = true;
        this.requestNs = Number.NEGATIVE_INFINITY;
        log.appendEntry(step.termId, step.position);
        break;
      case ReconcileAction.Replicate:
        hit(Mark.ReconcileReplicatesOldTerm);
        this.join(step.termId, step.position, nowNs);
        break;
      case ReconcileAction.Live:
        this.join(step.termId, step.position, nowNs);
        break;
      default:
        this.answer = undefined;
        if (nowNs >= this.requestNs + config.electionStatusIntervalNs) {
          hit(Mark.ReconcileAsksLeader);
          this.request(0, nowNs);
        }
    }
  }

  private join(logTermId: LeadershipTermId, limitPosition: Position, nowNs: number): void {
    const { log } = this.context;
    this.isReconciled = true;
    this.isJoined = true;
    this.isLive = logTermId === this.termId;
    this.limitPosition = limitPosition;
    this.heardLog = false;
    log.onCommitted(this.leaderCommitPosition);
    log.join({
      leaderMemberId: this.leaderMemberId,
      termId: this.termId,
      logSessionId: this.logSessionId,
      position: log.durablePosition(),
      logTermId,
      limitPosition,
    });
    this.request(CATCHUP_FLAG_JOINED, nowNs);
  }

  private request(flags: number, nowNs: number): void {
    const { effects, log } = this.context;
    this.requestNs = nowNs;
    const end = log.endSoFar();
    effects.sendCatchupRequest(
      this.leaderMemberId,
      this.termId,
      end.termId,
      flags === CATCHUP_FLAG_JOINED ? log.appendPosition() : end.position,
      flags,
    );
  }

  private acknowledge(nowNs: number): void {
    const { config, effects, log, record } = this.context;
    const position = this.isReconciled ? log.soundPosition() : 0;
    const isDue = nowNs >= this.acknowledgeNs + config.heartbeatIntervalNs;
    if (position === this.acknowledgedPosition && !isDue) {
      return;
    }
    this.acknowledgeNs = nowNs;
    this.acknowledgedPosition = position;
    const flags =
      (this.isCaughtUp() ? 0 : APPEND_FLAG_CATCHING_UP) |
      (record.hasDurableVote() ? 0 : APPEND_FLAG_NON_VOTING) |
      (effects.isSpaceLow?.() === true ? APPEND_FLAG_LOW_SPACE : 0);
    effects.sendAppendPosition(this.leaderMemberId, this.termId, position, flags);
  }
}
