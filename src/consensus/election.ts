// election.ts: the consensus of one member, as its surroundings see it.
//
// Messages and the answers of disk and log come in as method calls; each is checked, and then
// either answered at once or noted for the next doWork, where the state machine
// (election-machine.ts) acts.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, MEMBER_NULL, POSITION_NULL, type Position } from '../position.js';
import type { ConsensusConfig } from './consensus-config.js';
import {
  type ConsensusContext,
  type ConsensusCounters,
  createConsensusCounters,
} from './consensus-context.js';
import {
  type ElectionEffects,
  type MemberHello,
  type MemberId,
  type NewLeadershipTerm,
  type RecoveredState,
  RefusalReason,
} from './election-effects.js';
import { ElectionMachine } from './election-machine.js';
import { ElectionReads } from './election-reads.js';
import { ElectionState, type MemberRole } from './election-state.js';
import { Introductions } from './introductions.js';
import { TransferResult } from './leadership-transfer.js';
import { MemberStanding, MemberTable } from './membership.js';
import { MessageGate } from './message-gate.js';
import { NodeRecord } from './node-record.js';
import { OwnLog } from './own-log.js';
import { PeerProofs } from './peer-proofs.js';
import type { TermEntry } from './term-entries.js';

/** The consensus of one member. See election-effects.ts for what it asks of its surroundings. */
export class Election {
  readonly counters: ConsensusCounters = createConsensusCounters();
  readonly reads: ElectionReads;
  readonly peers: PeerProofs;
  private readonly context: ConsensusContext;
  private readonly gate: MessageGate;
  private readonly introductions: Introductions;
  private readonly machine: ElectionMachine;

  /**
   * @param recovered what the disk holds; everything in it is durable.
   * @param nextUint32 random numbers from the Entropy port.
   */
  constructor(
    config: ConsensusConfig,
    recovered: RecoveredState,
    effects: ElectionEffects,
    nextUint32: () => number,
  ) {
    const record = new NodeRecord(recovered.nodeState, (state, sequence) =>
      effects.persistNodeState(state, sequence),
    );
    this.context = {
      config,
      effects,
      record,
      log: new OwnLog(recovered, effects),
      members: new MemberTable(config, record),
      counters: this.counters,
      others: config.memberIds.filter((memberId) => memberId !== config.memberId),
      nextUint32,
    };
    record.setVoteResting(recovered.damagedPosition !== undefined);
    this.gate = new MessageGate(this.context);
    this.introductions = new Introductions(this.context, recovered.incarnation);
    this.machine = new ElectionMachine(this.context, this.introductions);
    this.reads = new ElectionReads(this.context, this.gate, this.machine);
    this.peers = new PeerProofs(this.context, this.gate, this.machine);
  }

  state(): ElectionState {
    return this.machine.currentState;
  }

  role(): MemberRole {
    return this.machine.currentRole;
  }

  /** Term that is led or followed; TERM_NULL without one. */
  leadershipTermId(): LeadershipTermId {
    return this.machine.leadershipTermId();
  }

  leaderMemberId(): MemberId {
    if (this.machine.leader?.isOpen()) {
      return this.context.config.memberId;
    }
    return this.machine.follower?.leaderMemberId ?? MEMBER_NULL;
  }

  /** A leader takes ingress once the event of its term is committed and applied. */
  isIngressOpen(): boolean {
    return this.machine.currentState === ElectionState.Closed && this.machine.leader !== undefined;
  }

  /** What is known to be committed, which may be beyond the own log. */
  commitPosition(): Position {
    const known =
      this.machine.leader?.commitPosition() ?? this.machine.follower?.leaderCommit() ?? 0;
    return Math.max(known, this.consumablePosition());
  }

  /** min(commit, own durable) of a log that is reconciled: services consume up to here. */
  consumablePosition(): Position {
    return this.context.log.committedPosition();
  }

  /** End of what the own disk holds, as far as it is final or reported. */
  durablePosition(): Position {
    return this.context.log.durablePosition();
  }

  termEntries(): readonly TermEntry[] {
    return this.context.log.entries().entries();
  }

  /** Greatest term that this member took part in, by its record. */
  candidateTermId(): LeadershipTermId {
    return this.context.record.candidateTermId();
  }

  isVoting(): boolean {
    return this.context.record.isVoting();
  }

  /** Whether nothing records and no operation is under way; and how the log is sealed. */
  get ownLog(): Pick<OwnLog, 'isStopped' | 'sealBelow'> {
    return this.context.log;
  }

  /** Flags for a hello that the agent sends by itself, first on a new publication. */
  helloFlags(to: MemberId): number {
    return this.introductions.flags(to);
  }

  admittedTermId(): LeadershipTermId {
    return this.context.record.admittedTermId();
  }

  /** A member waits for its vote until something new is committed; an idle leader may append it. */
  admissionWaitsForLog(): boolean {
    return this.machine.leader?.admissionWaitsForLog() ?? false;
  }

  /** When doWork has to be called again even if nothing happens. */
  deadlineNs(): number {
    return this.machine.deadlineNs();
  }

  /** Does what is due; returns how many states it passed through. Deliver messages before. */
  doWork(nowNs: number): number {
    return this.machine.doWork(nowNs);
  }

  // ---- messages ----

  onMemberHello(hello: MemberHello, nowNs: number): void {
    if (this.machine.hasLeft() || !this.gate.isPossibleAdmission(hello)) {
      return;
    }
    if (this.introductions.onHello(hello, this.machine)) {
      this.onMemberLeaving(hello.memberId, nowNs);
    }
  }

  /** Only a refused incarnation is acted on here; other reasons are for the operator. */
  onMemberRefused(from: MemberId, refusedMemberId: MemberId, reason: number, _nowNs: number): void {
    const isOwn = refusedMemberId === this.context.config.memberId;
    if (this.machine.hasLeft() || !isOwn || reason !== RefusalReason.Incarnation) {
      return;
    }
    if (this.gate.admits(from, MemberStanding.Learner) && this.introductions.loseVote()) {
      hit(Mark.ElectionIncarnationLost);
      const isStanding = this.machine.follower === undefined;
      if (isStanding) {
        this.machine.toCanvass(
          `member ${from} knows another incarnation: the own vote does not count`,
        );
      }
    }
  }

  onMemberAdmitted(
    memberId: MemberId,
    incarnation: bigint,
    termId: LeadershipTermId,
    position: Position,
    _nowNs: number,
  ): void {
    const follower = this.machine.follower;
    if (this.machine.hasLeft() || !this.gate.isPossibleTerm(termId, position)) {
      return;
    }
    if (follower === undefined || follower.termId !== termId) {
      this.counters.messagesStale++;
      return;
    }
    if (memberId !== this.context.config.memberId) {
      this.context.members.onAdmitted(memberId, incarnation, termId, position);
    } else if (follower.isInLeadersTerm()) {
      this.introductions.gainVote(incarnation, termId, position);
    }
  }

  /** A member says that it ends. Followers of a leader that leaves do not wait for a timeout. */
  onMemberLeaving(memberId: MemberId, _nowNs: number): void {
    if (this.machine.hasLeft() || !this.gate.admits(memberId, MemberStanding.Learner)) {
      return;
    }
    this.context.members.onLeaving(memberId);
    this.machine.forgetLeader(memberId, 'left');
  }

  onCanvassPosition(
    from: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
    nowNs: number,
  ): void {
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Learner) ||
      !this.gate.isPossible(candidateTermId, logTermId, logPosition)
    ) {
      return;
    }
    const end = { termId: logTermId, position: logPosition };
    this.machine.unhearLeader(from);
    this.machine.board.onReport(from, end, nowNs);
    this.machine.candidacy?.onReport(from, nowNs);
    if (!this.machine.yieldTo(candidateTermId, from)) {
      this.machine.leader?.onCanvassPosition(from, end);
    }
  }

  onRequestVote(
    from: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
    nowNs: number,
  ): void {
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Voter) ||
      !this.gate.isPossible(candidateTermId, logTermId, logPosition)
    ) {
      return;
    }
    this.machine.unhearLeader(from);
    this.machine.yieldTo(candidateTermId, from);
    const end = { termId: logTermId, position: logPosition };
    this.machine.onRequestVote(from, end, candidateTermId, nowNs);
  }

  onVote(
    from: MemberId,
    candidateMemberId: MemberId,
    candidateTermId: LeadershipTermId,
    granted: boolean,
    logTermId: LeadershipTermId,
    logPosition: Position,
    nowNs: number,
  ): void {
    const isOwn = candidateMemberId === this.context.config.memberId;
    if (
      this.machine.hasLeft() ||
      !isOwn ||
      !this.gate.admits(from, MemberStanding.Voter) ||
      !this.gate.isPossible(candidateTermId, logTermId, logPosition)
    ) {
      return;
    }
    const candidacy = this.machine.candidacy;
    this.machine.yieldTo(candidateTermId, from);
    if (candidacy === undefined) {
      hit(Mark.ElectionLateVote);
      this.machine.leader?.onLogTermReported(from, logTermId);
    } else if (granted && candidateTermId === candidacy.termId) {
      candidacy.onVote(from, true, nowNs);
    } else if (!granted && candidateTermId > candidacy.termId) {
      hit(Mark.ElectionGreaterTermRefusal);
      this.machine.toCanvass(`member ${from} is in the greater term ${candidateTermId}`);
    } else if (!granted) {
      candidacy.onVote(from, false, nowNs);
    }
  }

  onNewLeadershipTerm(message: NewLeadershipTerm, nowNs: number): void {
    const { leaderMemberId: from, termId, logTermId, nextTermId } = message;
    const base = message.nextTermBasePosition;
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Learner) ||
      !this.gate.isPossibleTerm(termId, message.termBasePosition) ||
      !this.gate.isPossibleTerm(termId, message.commitPosition) ||
      !this.gate.isPossibleReply(termId, logTermId, nextTermId, base)
    ) {
      return;
    }
    this.machine.see(termId);
    if (this.isDeposed(from, termId)) {
      return;
    }
    assert(this.machine.leader?.termId !== termId, `term ${termId} has one leader`);
    this.machine.leaderWatch.hear(from, nowNs);
    if (this.machine.follower?.termId === termId) {
      this.machine.follower.onNewLeadershipTerm(message);
    } else {
      this.machine.followLeader(message);
    }
  }

  onCatchupRequest(
    from: MemberId,
    termId: LeadershipTermId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    flags: number,
    _nowNs: number,
  ): void {
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Learner) ||
      !this.gate.isPossible(termId, logTermId, logPosition) ||
      this.machine.yieldTo(termId, from)
    ) {
      return;
    }
    const end = { termId: logTermId, position: logPosition };
    if (this.machine.leader?.termId === termId) {
      this.machine.leader.onCatchupRequest(from, end, flags);
    } else {
      this.counters.messagesStale++;
    }
  }

  onAppendPosition(
    from: MemberId,
    termId: LeadershipTermId,
    position: Position,
    flags: number,
    nowNs: number,
  ): void {
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Learner) ||
      !this.gate.isPossibleTerm(termId, position) ||
      this.machine.yieldTo(termId, from)
    ) {
      return;
    }
    if (this.machine.leader === undefined) {
      hit(Mark.ElectionStaleAppendPosition);
      this.counters.messagesStale++;
    } else {
      this.machine.leader.onAppendPosition(from, termId, position, flags, nowNs);
    }
  }

  onCommitPosition(
    from: MemberId,
    termId: LeadershipTermId,
    position: Position,
    nowNs: number,
  ): void {
    if (
      this.machine.hasLeft() ||
      !this.gate.admits(from, MemberStanding.Learner) ||
      !this.gate.isPossibleTerm(termId, position) ||
      this.machine.yieldTo(termId, from) ||
      this.isDeposed(from, termId)
    ) {
      return;
    }
    assert(this.machine.leader?.termId !== termId, `term ${termId} has one leader`);
    this.machine.leaderWatch.hear(from, nowNs);
    const follower = this.machine.follower;
    if (follower?.termId === termId) {
      assert(follower.leaderMemberId === from, `term ${termId} has one leader`);
      follower.onCommitPosition(position);
    } else if (follower !== undefined || this.machine.candidacy !== undefined) {
      hit(Mark.ElectionOtherLeaderHeard);
      this.machine.toCanvass(`member ${from} leads term ${termId}`);
    }
  }

  /** A leader of a term below the own one is told so. */
  private isDeposed(from: MemberId, termId: LeadershipTermId): boolean {
    const isDeposed = termId < this.context.record.candidateTermId();
    if (isDeposed) {
      hit(Mark.ElectionDeposedLeaderTold);
      this.counters.messagesStale++;
      this.machine.voter.refuse(from);
    }
    return isDeposed || this.machine.leaderWatch.hasResigned(termId);
  }

  /** The followed leader hands over: nobody waits for it to fall silent. */
  onLeadershipTransfer(
    from: MemberId,
    termId: LeadershipTermId,
    target: MemberId,
    nowNs: number,
  ): void {
    const isAdmitted = this.gate.admits(from, MemberStanding.Learner);
    if (this.machine.hasLeft() || !isAdmitted || !this.gate.isPossibleTerm(termId, 0)) {
      return;
    }
    const { follower } = this.machine;
    if (follower?.termId === termId && follower.leaderMemberId === from) {
      this.machine.onLeadershipTransfer(from, target, nowNs);
    } else {
      this.counters.messagesStale++;
    }
  }

  // ---- local inputs ----

  /** Begins to hand over to a member, or to the best one; see leadership-transfer.ts. */
  transferLeadership(target: MemberId | undefined, nowNs: number): TransferResult {
    const { leader } = this.machine;
    return leader !== undefined && this.isIngressOpen()
      ? leader.startTransfer(target, nowNs)
      : TransferResult.NotLeader;
  }

  /** Whether this leader may append nothing, because it hands over. */
  isHandingOver(): boolean {
    return this.machine.leader?.isHandingOver() ?? false;
  }

  /** A frame or heartbeat of the joined log arrived: the leader is alive. */
  onLogActivity(nowNs: number): void {
    if (this.machine.follower !== undefined) {
      this.machine.follower.onLogActivity(nowNs);
      this.machine.leaderWatch.hear(this.machine.follower.leaderMemberId, nowNs);
    }
  }

  /** The image of the joined log is gone, or a frame of another term ended the recording. */
  onLogLost(nowNs: number): void {
    this.machine.follower?.onLogLost(nowNs);
  }

  /** Progress of the recorder, each duty cycle while a log is led or joined. */
  onLogProgress(durablePosition: Position, appendPosition: Position, nowNs: number): void {
    const moved = this.context.log.onProgress(durablePosition, appendPosition);
    this.machine.leader?.onLogProgress(moved, nowNs);
  }

  /** How far the own service has consumed; opens ingress of a new leader. */
  onServicePosition(position: Position): void {
    this.machine.onServicePosition(position);
  }

  /** What was damaged when the member started is whole again: its vote counts from now on. */
  onLogRepaired(): void {
    this.context.log.onRepaired();
    this.introductions.wakeVote();
  }

  onNodeStatePersisted(sequence: number): void {
    this.context.record.onPersisted(sequence);
  }

  onLogStopped(durablePosition: Position): void {
    assert(durablePosition > POSITION_NULL, 'a stopped log has an end');
    this.context.log.onStopped(durablePosition);
  }

  onTruncated(): void {
    this.context.log.onTruncated();
  }

  onTermEntryAppended(): void {
    this.context.log.onTermEntryAppended();
  }

  onLeaderLogOpened(logSessionId: number, eventEndPosition: Position): void {
    this.context.log.onLeaderLogOpened(logSessionId, eventEndPosition);
  }

  /** Clean shutdown: says good-bye, so that nobody waits for a timeout, and stops the log. */
  leave(nowNs: number): void {
    if (!this.machine.hasLeft()) {
      this.introductions.leave(nowNs);
      this.machine.leave();
    }
  }
}
