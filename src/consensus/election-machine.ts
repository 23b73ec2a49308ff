// election-machine.ts: the states of one member and the ways between them.
//
// One method per state, run by doWork, and a few transitions that messages cause. Who leads, votes,
// follows or commits is decided nowhere else. The parts: candidacy.ts asks for votes, voter.ts
// gives them, leader-term.ts and follower-term.ts are the two ways to spend a term,
// canvass-board.ts judges who should stand. What a message means is read in election.ts.

import { assert, assertNever } from '../assert.js';
import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, MEMBER_NULL, type Position, TERM_NULL } from '../position.js';
import { BallotResult, Candidacy } from './candidacy.js';
import { CanvassBoard, type CanvassOutlook } from './canvass-board.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId, NewLeadershipTerm } from './election-effects.js';
import { ElectionState, MemberRole, roleOfState } from './election-state.js';
import { FollowerTerm } from './follower-term.js';
import type { Introductions } from './introductions.js';
import { LeaderTerm } from './leader-term.js';
import { LeaderWatch } from './leader-watch.js';
import type { LogEnd } from './log-end.js';
import { StandTimes } from './stand-times.js';
import { Voter } from './voter.js';

const NEVER_NS = Number.NEGATIVE_INFINITY;
const NO_DEADLINE_NS = Number.POSITIVE_INFINITY;
/** One doWork passes through at most this many states. */
const TRANSITIONS_PER_WORK_MAX = 12;

export class ElectionMachine {
  readonly board: CanvassBoard;
  readonly voter: Voter;
  /** At most one of the three stands: asking for votes, leading, following. */
  candidacy: Candidacy | undefined;
  leader: LeaderTerm | undefined;
  follower: FollowerTerm | undefined;
  currentState: ElectionState = ElectionState.Canvass;
  currentRole: MemberRole = MemberRole.Follower;

  private readonly context: ConsensusContext;
  private readonly introductions: Introductions;
  /** Greatest term heard of. Invariant: at least the term in the record; lost at a crash. */
  private seenTermId: LeadershipTermId;
  readonly leaderWatch: LeaderWatch;
  private servicePosition: Position = 0;
  private canvassNs = NEVER_NS;
  private ballotEndNs = NO_DEADLINE_NS;
  private readonly standTimes: StandTimes;
  private transitions = 0;
  /** Time of the last doWork: what is due is judged by what was known then. */
  private workedNs = 0;

  constructor(context: ConsensusContext, introductions: Introductions) {
    this.context = context;
    this.introductions = introductions;
    const lastTermId = context.log.entries().lastTermId();
    this.seenTermId = Math.max(context.record.candidateTermId(), lastTermId);
    this.voter = new Voter(context);
    this.board = new CanvassBoard(context.config, context.members);
    this.standTimes = new StandTimes(context.config);
    this.leaderWatch = new LeaderWatch(context.config.leaderTimeoutNs);
  }

  /** Term that is led or followed; TERM_NULL without one. */
  leadershipTermId(): LeadershipTermId {
    return this.leader?.termId ?? this.follower?.termId ?? TERM_NULL;
  }

  onServicePosition(position: Position): void {
    this.servicePosition = Math.max(this.servicePosition, position);
  }

  /** When doWork has to be called again even if nothing happens. */
  deadlineNs(): number {
    const isHelloDue = this.isInElection() || (!this.hasLeft() && this.introductions.hasDoubts());
    const helloNs = isHelloDue ? this.introductions.deadlineNs() : NO_DEADLINE_NS;
    return Math.min(helloNs, this.stateDeadlineNs());
  }

  private stateDeadlineNs(): number {
    switch (this.currentState) {
      case ElectionState.Canvass:
        return this.canvassDeadlineNs();
      case ElectionState.Nominate:
        return this.candidacy === undefined
          ? Math.min(this.canvassDeadlineNs(), this.nominateNs(this.workedNs))
          : NO_DEADLINE_NS;
      case ElectionState.CandidateBallot:
        return this.candidacy?.deadlineNs() ?? NO_DEADLINE_NS;
      case ElectionState.FollowerBallot:
        return this.ballotEndNs;
      case ElectionState.Left:
        return NO_DEADLINE_NS;
      default:
        return Math.min(
          this.leader?.deadlineNs() ?? NO_DEADLINE_NS,
          this.follower === undefined ? NO_DEADLINE_NS : this.followerDeadlineNs(this.follower),
        );
    }
  }

  /** Every state but normal work and good-bye: members introduce themselves again and again. */
  private isInElection(): boolean {
    return this.currentState !== ElectionState.Closed && this.currentState !== ElectionState.Left;
  }

  /** Does what is due; returns how many states it passed through. Deliver messages before. */
  doWork(nowNs: number): number {
    const before = this.transitions;
    this.workedNs = nowNs;
    let stateBefore: ElectionState;
    do {
      stateBefore = this.currentState;
      assert(this.transitions - before < TRANSITIONS_PER_WORK_MAX, 'states settle in one cycle');
      this.work(nowNs);
    } while (stateBefore !== this.currentState);
    return this.transitions - before;
  }

  private work(nowNs: number): void {
    this.voter.doWork();
    this.introductions.announceVote(nowNs);
    if (!this.hasLeft()) {
      this.introductions.doWork(this.isInElection(), nowNs);
    }
    switch (this.currentState) {
      case ElectionState.Canvass:
        this.canvass(nowNs);
        break;
      case ElectionState.Nominate:
        this.nominate(nowNs);
        break;
      case ElectionState.CandidateBallot:
        this.candidateBallot(nowNs);
        break;
      case ElectionState.FollowerBallot:
        this.followerBallot(nowNs);
        break;
      case ElectionState.LeaderLogReplication:
        this.leaderLogReplication(nowNs);
        break;
      case ElectionState.LeaderReady:
        this.leaderReady(nowNs);
        break;
      case ElectionState.FollowerLogReplication:
        this.followerLogReplication(nowNs);
        break;
      case ElectionState.FollowerCatchup:
        this.followerCatchup(nowNs);
        break;
      case ElectionState.FollowerReady:
        this.followerReady(nowNs);
        break;
      case ElectionState.Closed:
        this.closed(nowNs);
        break;
      case ElectionState.Left:
        break;
      default:
        assertNever(this.currentState);
    }
  }

  // ---- states without a leader ----

  private canvass(nowNs: number): void {
    const { log, record } = this.context;
    log.stop();
    if (!log.isStopped() || !record.isSettled()) {
      return;
    }
    this.sendCanvassPositions(nowNs);
    if (this.isNamed(nowNs)) {
      this.enter(ElectionState.Nominate, 'the leader handed over to this member');
    } else if (this.mayStand(nowNs) && this.board.outlook(log.end(), nowNs).canWin) {
      this.standTimes.onEligible(this.context, nowNs);
      this.enter(ElectionState.Nominate, 'a quorum without a leader has no more log');
    }
  }

  private nominate(nowNs: number): void {
    if (this.candidacy === undefined) {
      this.stand(nowNs);
    }
    if (this.candidacy?.isDurable()) {
      this.enter(ElectionState.CandidateBallot, `voted for itself in ${this.candidacy.termId}`);
    }
  }

  /** Votes for itself once better and earlier candidates have had their time. */
  private stand(nowNs: number): void {
    const { counters, log, record } = this.context;
    if (!log.isStopped() || !record.isSettled()) {
      return;
    }
    this.sendCanvassPositions(nowNs);
    const isNamed = this.isNamed(nowNs);
    if (!isNamed && (!this.mayStand(nowNs) || !this.outlook(nowNs).canWin)) {
      hit(Mark.ElectionBetterCandidate);
      this.enter(ElectionState.Canvass, 'another is the better candidate');
    } else if (isNamed || nowNs >= this.nominateNs(nowNs)) {
      this.standTimes.onStand();
      this.seenTermId = Math.max(this.seenTermId, record.candidateTermId()) + 1;
      counters.nominations++;
      this.candidacy = new Candidacy(this.context, this.seenTermId, isNamed);
    }
  }

  private candidateBallot(nowNs: number): void {
    const candidacy = this.candidacy;
    assert(candidacy !== undefined, 'a candidate has a ballot');
    const result = candidacy.doWork(nowNs);
    if (result === BallotResult.Lost) {
      hit(Mark.ElectionBallotLost);
      this.standTimes.failedBallots++;
      this.toCanvass(`no quorum in term ${candidacy.termId}`);
    } else if (result === BallotResult.Won) {
      this.standTimes.failedBallots = 0;
      this.candidacy = undefined;
      this.context.counters.electionsWon++;
      this.leader = new LeaderTerm(this.context, candidacy.termId, nowNs);
      this.enter(ElectionState.LeaderLogReplication, `a quorum voted in term ${candidacy.termId}`);
    }
  }

  private followerBallot(nowNs: number): void {
    if (nowNs >= this.ballotEndNs) {
      hit(Mark.ElectionBallotTimedOut);
      this.toCanvass('the candidate announced no term');
    }
  }

  private sendCanvassPositions(nowNs: number): void {
    const { config, effects, log, others, record } = this.context;
    if (nowNs < this.canvassNs + config.electionStatusIntervalNs) {
      return;
    }
    this.canvassNs = nowNs;
    const end = log.end();
    for (const memberId of others) {
      effects.sendCanvassPosition(memberId, end.termId, end.position, record.candidateTermId());
    }
  }

  /** Whether the leader named this member, which therefore need not look for a quorum first. */
  private isNamed(nowNs: number): boolean {
    const isFree = !this.leaderWatch.hears(nowNs) && this.context.record.isVoting();
    return isFree && this.standTimes.isNamed(nowNs);
  }

  private mayStand(nowNs: number): boolean {
    const isFree = !this.leaderWatch.hears(nowNs) && !this.standTimes.isHeldBack(nowNs);
    return isFree && this.context.record.isVoting();
  }

  private outlook(nowNs: number): CanvassOutlook {
    return this.board.outlook(this.context.log.end(), nowNs);
  }

  /**
   * When this member stands, as things look: better and earlier candidates get their time first.
   */
  private nominateNs(nowNs: number): number {
    if (!this.context.log.isStopped() || !this.context.record.isSettled()) {
      return NO_DEADLINE_NS;
    }
    return this.standTimes.nominateNs(this.outlook(nowNs), nowNs);
  }

  private canvassDeadlineNs(): number {
    const canReport = this.context.log.isStopped() && this.context.record.isSettled();
    return canReport
      ? this.canvassNs + this.context.config.electionStatusIntervalNs
      : NO_DEADLINE_NS;
  }

  // ---- states of a leader ----

  private leaderLogReplication(nowNs: number): void {
    const leader = this.ledTerm();
    const { log } = this.context;
    const isEntryDurable = log.entries().lastTermId() === leader.termId;
    if (isEntryDurable && leader.open(nowNs)) {
      this.enter(ElectionState.LeaderReady, `the log of term ${leader.termId} is open`);
      return;
    }
    this.lead(leader, nowNs);
  }

  private leaderReady(nowNs: number): void {
    const leader = this.ledTerm();
    const isLeading = this.lead(leader, nowNs);
    const isApplied = this.servicePosition >= leader.eventEndPosition();
    if (isLeading && leader.isEventCommitted() && isApplied) {
      this.enter(ElectionState.Closed, `the event of term ${leader.termId} is applied`);
    }
  }

  private lead(leader: LeaderTerm, nowNs: number): boolean {
    const reason = leader.doWork(nowNs, this.servicePosition);
    if (reason === undefined) {
      return true;
    }
    if (leader.isDiskStalled(nowNs)) {
      hit(Mark.ElectionDiskStalled);
      this.standTimes.onStall(nowNs);
    }
    if (leader.hasHandedOver()) {
      this.standTimes.onOtherStands(nowNs);
    } else {
      leader.resign();
    }
    this.toCanvass(reason);
    return false;
  }

  private ledTerm(): LeaderTerm {
    assert(this.leader !== undefined, 'a leader has a term');
    return this.leader;
  }

  // ---- states of a follower ----

  private followerLogReplication(nowNs: number): void {
    const follower = this.follow(nowNs);
    if (follower?.isInLeadersTerm()) {
      this.enter(ElectionState.FollowerCatchup, `reconciled in term ${follower.termId}`);
    }
  }

  private followerCatchup(nowNs: number): void {
    if (this.follow(nowNs)?.isCaughtUp()) {
      this.enter(ElectionState.FollowerReady, 'the log reached what was committed when it joined');
    }
  }

  private followerReady(nowNs: number): void {
    const follower = this.follow(nowNs);
    if (follower !== undefined && !this.lostLog(follower) && follower.isTermCommitted()) {
      this.enter(ElectionState.Closed, `the event of term ${follower.termId} is committed`);
    }
  }

  private followClosed(nowNs: number): void {
    const follower = this.follow(nowNs);
    if (follower !== undefined) {
      this.lostLog(follower);
    }
  }

  private lostLog(follower: FollowerTerm): boolean {
    if (follower.isInLeadersTerm()) {
      return false;
    }
    hit(Mark.ElectionLogImageLost);
    this.enter(ElectionState.FollowerCatchup, 'the image of the log was lost');
    return true;
  }

  /** Works as a follower unless the leader fell silent. */
  private follow(nowNs: number): FollowerTerm | undefined {
    const follower = this.follower;
    assert(follower !== undefined, 'a follower has a leader');
    if (!this.leaderWatch.hears(nowNs)) {
      hit(Mark.ElectionLeaderSilent);
      this.toCanvass(`leader ${follower.leaderMemberId} was not heard within the leader timeout`);
      return undefined;
    }
    follower.doWork(nowNs);
    return follower;
  }

  private followerDeadlineNs(follower: FollowerTerm): number {
    return Math.min(this.leaderWatch.deadlineNs(), follower.deadlineNs());
  }

  /**
   * A member that looks for a leader leads no more: what was heard of it before is void. Else the
   * heartbeats that a broken link had kept back would hold up the very member that sent them.
   */
  unhearLeader(memberId: MemberId): void {
    if (this.follower === undefined) {
      this.leaderWatch.forget(memberId);
    }
  }

  // ---- normal work ----

  private closed(nowNs: number): void {
    if (this.leader === undefined) {
      this.followClosed(nowNs);
    } else {
      this.lead(this.ledTerm(), nowNs);
    }
  }

  // ---- transitions ----

  /** Gives up whatever it was; the log is stopped before its end is reported. */
  toCanvass(reason: string): void {
    this.context.counters.stepDowns += this.leader === undefined ? 0 : 1;
    this.context.counters.leadersLost += this.follower === undefined ? 0 : 1;
    this.dropTerm();
    this.enter(ElectionState.Canvass, reason);
  }

  private dropTerm(): void {
    this.candidacy = undefined;
    this.leader = undefined;
    this.follower = undefined;
    this.context.log.stop();
  }

  private enter(state: ElectionState, reason: string): void {
    this.currentState = state;
    this.transitions++;
    if (state === ElectionState.Canvass) {
      this.canvassNs = NEVER_NS;
    }
    this.context.effects.onStateChange(state, reason);
    const role = roleOfState(state, this.leader !== undefined);
    if (role !== this.currentRole) {
      this.currentRole = role;
      this.context.effects.onRoleChange(role, this.leadershipTermId());
    }
  }

  followLeader(message: NewLeadershipTerm): void {
    this.context.counters.stepDowns += this.leader === undefined ? 0 : 1;
    this.dropTerm();
    this.standTimes.failedBallots = 0;
    this.follower = new FollowerTerm(this.context, message);
    this.enter(
      ElectionState.FollowerLogReplication,
      `member ${message.leaderMemberId} leads term ${message.termId}`,
    );
  }

  hasLeft(): boolean {
    return this.currentState === ElectionState.Left;
  }

  see(termId: LeadershipTermId): void {
    this.seenTermId = Math.max(this.seenTermId, termId);
  }

  /** A leader that hears of a greater term can never have that member back: it steps down. */
  yieldTo(termId: LeadershipTermId, from: MemberId): boolean {
    this.see(termId);
    if (this.leader === undefined || termId <= this.leader.termId) {
      return false;
    }
    hit(Mark.ElectionGreaterTermSeen);
    this.toCanvass(`member ${from} is in the greater term ${termId}`);
    return true;
  }

  /** The leader that was heard says that it leads no more: nobody waits for it to fall silent. */
  forgetLeader(memberId: MemberId, reason: string): void {
    this.leaderWatch.forget(memberId);
    if (this.follower?.leaderMemberId === memberId) {
      hit(Mark.ElectionLeaderLeft);
      this.toCanvass(`leader ${memberId} ${reason}`);
    }
  }

  /**
   * The leader steps down. The member that it named stands at once, and the others let it; without
   * a name it is an election like any other.
   */
  onLeadershipTransfer(from: MemberId, target: MemberId, nowNs: number): void {
    this.standTimes.onTransfer(target, this.context.config.memberId, nowNs);
    this.leaderWatch.resign(this.leadershipTermId());
    const isNamed = target !== MEMBER_NULL;
    this.forgetLeader(from, isNamed ? `handed over to member ${target}` : 'stepped down');
  }

  /** Answers a candidate; a vote that is granted ends whatever the member was. */
  onRequestVote(
    from: MemberId,
    candidateEnd: LogEnd,
    candidateTermId: LeadershipTermId,
    nowNs: number,
  ): void {
    const hearsLeader = this.leader !== undefined || this.leaderWatch.hears(nowNs);
    const isPostponed = !this.context.log.isStopped();
    if (isPostponed && !hearsLeader && candidateTermId > this.context.record.candidateTermId()) {
      this.standTimes.onOtherStands(nowNs);
    }
    if (this.voter.onRequestVote(from, candidateEnd, candidateTermId, hearsLeader)) {
      this.dropTerm();
      this.ballotEndNs = nowNs + this.context.config.electionTimeoutNs;
      this.enter(ElectionState.FollowerBallot, `voted for ${from} in term ${candidateTermId}`);
    }
  }

  leave(): void {
    this.dropTerm();
    this.enter(ElectionState.Left, 'this member leaves');
  }
}
