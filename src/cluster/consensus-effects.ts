// consensus-effects.ts: carries out what the election decides.
//
// Messages go to the publisher; disk work becomes tasks whose end is reported back; the log is
// opened, joined and stopped here, and never closed before the recorder has let go of it.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { NODE_STATE_QUEUE, type NodeState as NodeStateRecord } from '../archive/node-state-file.js';
import type { RecorderProxy } from '../archive/recorder-proxy.js';
import { RECORDING_LOG_QUEUE } from '../archive/recording-log.js';
import type { StorageTask, StorageTasks } from '../archive/storage-task.js';
import { TRUNCATE_QUEUE, truncateLog } from '../archive/truncate.js';
import { assert } from '../assert.js';
import type { Election } from '../consensus/election.js';
import type {
  ElectionEffects,
  LogJoin,
  MemberId,
  NewLeadershipTerm,
  NodeState,
} from '../consensus/election-effects.js';
import type { ElectionState, MemberRole } from '../consensus/election-state.js';
import type { PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import type { LeadershipTermId, Position } from '../position.js';
import type { ClockAgreement } from './clock-agreement.js';
import type { ClusterConfig } from './cluster-config.js';
import type { ConsensusPublisher } from './consensus-publisher.js';
import type { DiskWatch } from './disk-watch.js';
import type { FollowerLog } from './follower-log.js';
import type { LeaderLog } from './leader-log.js';
import type { LogCare } from './log-care.js';
import type { LogClock } from './log-clock.js';
import type { RecordedLog } from './log-poller.js';
import type { LogPublisher } from './log-publisher.js';
import { TailTime } from './tail-time.js';

/** What the effects need of the member. */
export interface EffectsDependencies {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly config: ClusterConfig;
  readonly tasks: StorageTasks;
  readonly directory: RecoveredDirectory;
  readonly recorder: RecorderProxy;
  readonly publisher: ConsensusPublisher;
  readonly leaderLog: LeaderLog;
  readonly followerLog: FollowerLog;
  readonly logPublisher: LogPublisher;
  readonly logClock: LogClock;
  readonly clocks: ClockAgreement;
  readonly makeReader: () => RecordedLog;
  /** Who reads and mends the recording: it must not meet a truncation. */
  readonly logCare: LogCare;
  readonly diskWatch: DiskWatch;
  /** Where a frame of the log starts, not far before what is applied. */
  appliedFrame(): Position;
  /** A follower needs log that is purged here. */
  onPurgedLogWanted(memberId: MemberId): void;
  /** The live log changed (opened, joined, left). */
  onLogChange(): void;
  onStateChange(state: ElectionState, reason: string): void;
  onRoleChange(role: MemberRole, termId: LeadershipTermId): void;
  /** A task failed: the member cannot go on. */
  onFatal(error: PawlError): void;
}

interface Opening {
  readonly termId: LeadershipTermId;
  readonly basePosition: Position;
  readonly tailTime: TailTime;
}

/** Implements the election's effects over transport and archive. */
export class ConsensusEffects implements ElectionEffects {
  readonly #member: EffectsDependencies;
  readonly #publisher: ConsensusPublisher;
  #election: Election | undefined;
  #isStopping = false;
  // Whether the stop under way has a recording to end, and where the log ends while it is stopped.
  #wasRecording = false;
  #stoppedPosition: Position;
  #opening: Opening | undefined;
  #joining: LogJoin | undefined;
  /** A truncation that waits for the last mark of the recording. */
  #cut: (() => void) | undefined;

  constructor(dependencies: EffectsDependencies) {
    this.#member = dependencies;
    this.#publisher = dependencies.publisher;
    this.#stoppedPosition = dependencies.directory.appendPosition;
  }

  bind(election: Election): void {
    this.#election = election;
  }

  /** Goes on with what takes several duty cycles. */
  doWork(nowNs: number): number {
    let work = 0;
    work += this.#isStopping ? this.#finishStop() : 0;
    work += this.#opening === undefined ? 0 : this.#finishOpening(this.#opening, nowNs);
    work += this.#joining === undefined ? 0 : this.#finishJoin(this.#joining);
    work += this.#cut === undefined ? 0 : this.#beginCut(this.#cut);
    return work;
  }

  close(): void {
    this.#opening?.tailTime.close();
    this.#opening = undefined;
  }

  // --- messages ---

  isSpaceLow(): boolean {
    return this.#member.diskWatch.isLow;
  }

  sendMemberHello(
    to: MemberId,
    flags: number,
    admittedTermId: LeadershipTermId,
    admittedPosition: Position,
  ): void {
    this.#publisher.memberHello(to, flags, admittedTermId, admittedPosition);
  }

  sendMemberRefused(to: MemberId, reason: number): void {
    this.#publisher.memberRefused(to, reason);
  }

  sendMemberAdmitted(
    to: MemberId,
    memberId: MemberId,
    incarnation: bigint,
    termId: LeadershipTermId,
    position: Position,
  ): void {
    this.#publisher.memberAdmitted(to, memberId, incarnation, termId, position);
  }

  sendCanvassPosition(
    to: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
  ): void {
    this.#publisher.canvassPosition(to, logTermId, logPosition, candidateTermId);
  }

  sendRequestVote(
    to: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
  ): void {
    this.#publisher.requestVote(to, logTermId, logPosition, candidateTermId);
  }

  sendVote(
    to: MemberId,
    candidateTermId: LeadershipTermId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    granted: boolean,
  ): void {
    if (granted) {
      // Ahead of the vote, which may be the one that makes the other a leader.
      this.#publisher.voterClock(to, candidateTermId, this.#member.clock.wallMs());
    }
    this.#publisher.vote(to, candidateTermId, logTermId, logPosition, granted);
  }

  sendNewLeadershipTerm(to: MemberId, message: NewLeadershipTerm): void {
    this.#publisher.newLeadershipTerm(to, message);
  }

  sendCatchupRequest(
    to: MemberId,
    termId: LeadershipTermId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    flags: number,
  ): void {
    this.#publisher.catchupRequest(to, termId, logTermId, logPosition, flags);
  }

  sendAppendPosition(
    to: MemberId,
    termId: LeadershipTermId,
    position: Position,
    flags: number,
  ): void {
    this.#publisher.appendPosition(to, termId, position, flags);
  }

  sendCommitPosition(to: MemberId, termId: LeadershipTermId, position: Position): void {
    this.#publisher.commitPosition(to, termId, position);
  }

  sendReadProbe(to: MemberId, termId: LeadershipTermId, round: number): void {
    this.#publisher.readProbe(to, termId, round);
  }

  sendReadAcknowledgement(to: MemberId, termId: LeadershipTermId, round: number): void {
    this.#publisher.readAcknowledgement(to, termId, round);
  }

  sendLeadershipTransfer(to: MemberId, termId: LeadershipTermId, target: MemberId): void {
    this.#publisher.leadershipTransfer(to, termId, target);
  }

  // --- durable records ---

  persistNodeState(state: NodeState, sequence: number): void {
    const { directory, tasks } = this.#member;
    this.#run(
      tasks,
      directory.nodeState.write(toRecord(state)),
      () => this.#election?.onNodeStatePersisted(sequence),
      NODE_STATE_QUEUE,
    );
  }

  truncateLog(position: Position, lastTermId: LeadershipTermId): void {
    const { directory, logCare, tasks } = this.#member;
    const election = this.#election as Election;
    logCare.rest(position);
    const cut = (): void =>
      this.#run(
        tasks,
        truncateLog(tasks.storage, {
          position,
          geometry: directory.geometry,
          recordingLog: directory.recordingLog,
          // Of the own log: the leader's commit position is about a log that this one is not yet.
          knownCommitPosition: election.consumablePosition(),
          keepTermId: lastTermId,
        }),
        () => {
          this.#stoppedPosition = position;
          election.onTruncated();
          logCare.resume(position);
        },
        TRUNCATE_QUEUE,
      );
    this.#beginCut(cut);
  }

  /** Cuts when the recorder has let go of mark and segments. Returns 1 when it began. */
  #beginCut(cut: () => void): number {
    this.#cut = cut;
    if (this.#member.recorder.isClosing()) {
      hit(Mark.TruncationWaitsForRecorder);
      return 0;
    }
    this.#cut = undefined;
    cut();
    return 1;
  }

  appendTermEntry(termId: LeadershipTermId, basePosition: Position): void {
    const { clock, directory, tasks } = this.#member;
    this.#run(
      tasks,
      directory.recordingLog.begin(termId, basePosition, clock.wallMs()),
      () => this.#election?.onTermEntryAppended(),
      RECORDING_LOG_QUEUE,
    );
  }

  // --- the log ---

  stopLog(): void {
    const { recorder } = this.#member;
    assert(!this.#isStopping, 'the log is stopped once at a time');
    // An opening ends here, whatever it waited for: a tail that nobody can mend never gets a time.
    this.#opening?.tailTime.close();
    this.#opening = undefined;
    this.#joining = undefined;
    this.#isStopping = true;
    this.#wasRecording = recorder.isRecording();
    if (!recorder.isBusy() && recorder.isRecording()) {
      recorder.stop();
    }
  }

  openLeaderLog(termId: LeadershipTermId, basePosition: Position): void {
    const { arena, config, directory, makeReader } = this.#member;
    const { logStartPosition, snapshots } = directory.snapshots.index;
    const newest = snapshots.at(-1);
    const floor = {
      position: newest?.logPosition ?? logStartPosition,
      timestampMs: newest?.timestampMs ?? 0,
    };
    const { logTermLength } = config;
    const frame = Math.min(this.#member.appliedFrame(), basePosition);
    const tailTime = new TailTime(arena, makeReader, logTermLength, basePosition, floor, frame);
    this.#opening = { termId, basePosition, tailTime };
  }

  joinLog(join: LogJoin): void {
    this.#joining = join;
  }

  startDestination(memberId: MemberId, position: Position): void {
    if (position < this.#member.directory.snapshots.index.logStartPosition) {
      this.#member.onPurgedLogWanted(memberId);
    } else {
      this.#member.leaderLog.startDestination(memberId, position);
    }
  }

  onStateChange(state: ElectionState, reason: string): void {
    this.#member.onStateChange(state, reason);
  }

  onRoleChange(role: MemberRole, termId: LeadershipTermId): void {
    this.#member.onRoleChange(role, termId);
  }

  #finishStop(): number {
    const { recorder, leaderLog, followerLog, logPublisher, onLogChange } = this.#member;
    if (recorder.isBusy()) {
      return 0;
    }
    if (recorder.isRecording()) {
      hit(Mark.LogStopWaitsForRecorder);
      // It was still starting when it was told to stop.
      recorder.stop();
      return 1;
    }
    assert(this.#wasRecording || !leaderLog.isOpen, 'a log that is published is recorded');
    this.#isStopping = false;
    logPublisher.setLog(0);
    leaderLog.close();
    followerLog.leave();
    onLogChange();
    if (this.#wasRecording) {
      this.#stoppedPosition = recorder.durablePosition();
    }
    this.#election?.onLogStopped(this.#stoppedPosition);
    return 1;
  }

  #finishOpening(opening: Opening, nowNs: number): number {
    const { leaderLog } = this.#member;
    if (!leaderLog.isOpen && !this.#openPublication(opening, nowNs)) {
      return 0;
    }
    const { clock, config, logClock, logPublisher } = this.#member;
    const { termId, basePosition } = opening;
    const end = logPublisher.appendNewLeadershipTerm(
      termId,
      basePosition,
      config.member.memberId,
      leaderLog.sessionId,
      logClock.timeMs(nowNs, clock.wallMs()),
    );
    if (end < 0) {
      // The publication learns its limit in its first duty cycle.
      return 0;
    }
    this.#opening = undefined;
    this.#member.onLogChange();
    this.#election?.onLeaderLogOpened(leaderLog.sessionId, end);
    return 1;
  }

  /** False while the time of the log's last event is still looked for. */
  #openPublication(opening: Opening, nowNs: number): boolean {
    const { clock, clocks, config, entropy, leaderLog, logClock, logPublisher } = this.#member;
    const lastMs = opening.tailTime.poll();
    if (lastMs === undefined) {
      hit(Mark.LogOpeningWaitsForTime);
      return false;
    }
    const isAgreed = clocks.isQuorumWithin(config.clockSkewMaxMs, opening.termId);
    logClock.startTerm(lastMs, nowNs, clock.wallMs(), isAgreed);
    leaderLog.open(opening.termId, opening.basePosition, entropy.nextUint32() | 0);
    logPublisher.setLog(leaderLog.meta);
    return true;
  }

  #finishJoin(join: LogJoin): number {
    const { recorder, followerLog, onLogChange } = this.#member;
    if (recorder.isBusy()) {
      return 0;
    }
    if (recorder.isRecording()) {
      recorder.stop();
      return 1;
    }
    this.#joining = undefined;
    followerLog.join(join);
    onLogChange();
    return 1;
  }

  #run<T>(tasks: StorageTasks, task: StorageTask<T>, onDone: () => void, queue: string): void {
    tasks.run(task, onDone, (error) => this.#member.onFatal(error), queue);
  }
}

/** Two unsigned halves of 64 bits. */
export function toHalves(value: bigint): { high: number; low: number } {
  return { high: Number((value >> 32n) & 0xffff_ffffn), low: Number(value & 0xffff_ffffn) };
}

function toRecord(state: NodeState): NodeStateRecord {
  return {
    candidateTermId: state.candidateTermId,
    votedForMemberId: state.votedForMemberId,
    voting: state.voting,
    admittedTermId: state.admittedTermId,
    admittedPosition: state.admittedPosition,
    incarnations: state.incarnations.map((known) => ({
      ...known,
      incarnation: toHalves(known.incarnation),
    })),
  };
}
