// member.ts: one member of a cluster, put together.
//
// It opens its data directory, recovers, and then runs transport, recorder, consensus module and
// service in one duty cycle over the four ports. The host gives it real ports, the simulator
// virtual ones; nothing in here can tell.

import {
  bootstrapDirectory,
  openDirectory,
  type RecoveredDirectory,
} from '../archive/member-directory.js';
import type { SnapshotEntry } from '../archive/snapshot-recording.js';
import { StorageTasks } from '../archive/storage-task.js';
import { ElectionState, electionStateName, MemberRole } from '../consensus/election-state.js';
import { TransferResult } from '../consensus/leadership-transfer.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import type { Network } from '../ports/network.js';
import type { Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { RefusalReason } from '../protocol/codecs/enumerations.js';
import type { Subscription } from '../transport/subscription.js';
import { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import { assembleMember, type MemberParts, type RecorderRunner } from './member-assembly.js';
import { type LimitVisitor, visitLimits } from './member-limits.js';
import type { Role, ServiceHost } from './service-host.js';
import type { ShadowRunner } from './shadow-snapshots.js';

export type { RecorderRunner } from './member-assembly.js';

export interface MemberEvents {
  onRecovered?(directory: RecoveredDirectory): void;
  onStateChange?(state: string, reason: string): void;
  onRoleChange?(role: Role, leadershipTermId: number): void;
  /** A snapshot is complete: it counts from now on. */
  onSnapshot?(entry: SnapshotEntry): void;
  /** Something that an operator should know and act upon. */
  onWarning?(message: string): void;
}

export interface MemberDependencies {
  readonly config: ClusterConfig;
  readonly arena: Arena;
  readonly clock: Clock;
  readonly network: Network;
  readonly entropy: Entropy;
  readonly storage: Storage;
  readonly service: ServiceHost;
  /**
   * Given at level `fsync` by a host with threads; otherwise the recorder runs in this duty cycle.
   */
  readonly recorderRunner?: RecorderRunner;
  /** Given where snapshots are taken by a shadow. */
  readonly shadowRunner?: ShadowRunner;
  readonly events?: MemberEvents;
}

/** What a member knows of itself, for people and tests. */
export interface MemberStatus {
  readonly memberId: number;
  readonly state: string;
  readonly role: Role;
  readonly isVoting: boolean;
  readonly isIngressOpen: boolean;
  /** It takes no ingress, because another member is to lead. */
  readonly isHandingOver: boolean;
  readonly leadershipTermId: number;
  readonly leaderMemberId: number;
  readonly appendPosition: Position;
  readonly durablePosition: Position;
  readonly commitPosition: Position;
  readonly servicePosition: Position;
  /** Position of the newest snapshot that counts; 0 without one. */
  readonly snapshotPosition: Position;
  readonly sessionCount: number;
  /**
   * `sound` or `torn` as the start found the log; `corrupt` while ranges of it are damaged;
   * `repaired` when what the start found damaged is whole again.
   */
  readonly health: string;
  readonly counters: Readonly<Record<string, number>>;
}

/** What moves in a member's duty cycles. */
export type MemberObservation = Pick<MemberParts, 'election' | 'logCare' | 'module' | 'recorder'>;

/**
 * A little more than the default interval at which members speak to each other in any case: a
 * stream that carries that needs no heartbeat of its own.
 */
const STREAM_HEARTBEAT_INTERVAL_NS = 125_000_000;

const ROLES: Readonly<Record<MemberRole, Role>> = {
  [MemberRole.Follower]: 'follower',
  [MemberRole.Candidate]: 'candidate',
  [MemberRole.Leader]: 'leader',
};

/** One member. */
export class Member implements Agent {
  readonly roleName = 'member';
  readonly config: ClusterConfig;
  readonly #member: MemberDependencies;
  readonly #transport: Transport;
  readonly #tasks: StorageTasks;
  #running: MemberParts | undefined;
  #failure: PawlError | undefined;
  #role: Role = 'follower';
  #isStarted = false;
  #isLeaving = false;
  #isBirthTried = false;

  constructor(dependencies: MemberDependencies) {
    const { arena, config, entropy, network, storage } = dependencies;
    this.config = config;
    this.#member = dependencies;
    this.#tasks = new StorageTasks(storage);
    const { member, logTermLength } = config;
    this.#transport = new Transport({
      arena,
      network,
      entropy,
      config: {
        mtuLength: member.mtuLength,
        termLength: member.streamTermLength,
        ipcTermLength: member.streamTermLength,
        initialWindowLength: member.windowLength,
        heartbeatIntervalNs: STREAM_HEARTBEAT_INTERVAL_NS,
        socketBufferLength: member.socketBufferLength,
        imageTermLengthMax: Math.max(logTermLength, member.streamTermLength, 64 * 1024 * 1024),
      },
    });
  }

  get transport(): Transport {
    return this.#transport;
  }

  /** Set when the member cannot go on; doWork throws it. */
  get failure(): PawlError | undefined {
    return this.#failure;
  }

  /** Consensus and recorder, for whoever watches every duty cycle; undefined while it opens. */
  observe(): MemberObservation | undefined {
    return this.#running;
  }

  /** Visits how much of each limit is in use; none while the member opens its directory. */
  visitLimits(visit: LimitVisitor): void {
    const running = this.#running;
    if (running !== undefined) {
      const { arena } = this.#member;
      visitLimits({ arena, config: this.config, tasks: this.#tasks, running }, visit);
    }
  }

  /** End of what the service has consumed. */
  get servicePosition(): Position {
    return this.#member.service.position;
  }

  /** Whether a clean leave is complete. */
  get hasLeft(): boolean {
    const isLogStopped = this.#running === undefined || this.#isStopped();
    return this.#isLeaving && isLogStopped && this.#member.service.isTerminated;
  }

  doWork(nowNs: number): number {
    this.#check();
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#open(nowNs);
    }
    let work = this.#transport.doWork(nowNs);
    work += this.#tasks.poll();
    this.#check();
    if (this.#running !== undefined) {
      work += this.#running.module.doWork(nowNs);
      this.#check();
      // What this turn has to say leaves in this turn.
      if (work > 0 || this.#transport.deadlineNs() <= nowNs) {
        this.#transport.flush(nowNs);
      }
      // In steady state everything that arrived has been carried through: another turn would find
      // nothing, and input, completions and deadlines bring the next one.
      work = this.#running.module.isSettled() ? 0 : work;
    }
    return work;
  }

  deadlineNs(): number {
    const moduleNs = this.#running?.module.deadlineNs() ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#transport.deadlineNs(), moduleNs);
  }

  /** Has a snapshot taken on every member, as soon as this one leads. */
  requestSnapshot(): void {
    this.#running?.schedule.request();
  }

  /** Leaves the cluster cleanly: the others are told, the log is stopped and durable. */
  leave(nowNs: number): void {
    if (!this.#isLeaving) {
      this.#isLeaving = true;
      this.#member.service.terminate();
      this.#running?.election.leave(nowNs);
    }
  }

  /** Begins to hand leadership over to another member; the status tells what became of it. */
  transferLeadership(target: number, nowNs: number): TransferResult {
    return this.#running?.election.transferLeadership(target, nowNs) ?? TransferResult.NotLeader;
  }

  close(): void {
    this.#running?.close();
    this.#running = undefined;
    this.#member.service.close();
    this.#member.recorderRunner?.close();
    this.#transport.close();
  }

  status(): MemberStatus {
    const member = this;
    const running = this.#running;
    const { memberId } = this.config.member;
    const { service } = this.#member;
    return {
      memberId,
      state: running === undefined ? 'OPENING' : electionStateName(running.election.state()),
      role: this.#role,
      isVoting: running?.election.isVoting() ?? false,
      isIngressOpen: running?.module.isIngressOpen ?? false,
      isHandingOver: running?.election.isHandingOver() ?? false,
      leadershipTermId: running?.election.leadershipTermId() ?? -1,
      leaderMemberId: running?.election.leaderMemberId() ?? -1,
      appendPosition: running?.module.appendPosition() ?? 0,
      durablePosition: running?.recorder.durablePosition() ?? 0,
      commitPosition: running?.election.commitPosition() ?? 0,
      servicePosition: service.position,
      snapshotPosition: running?.taker.newestPosition() ?? 0,
      sessionCount: running?.applied.count ?? 0,
      health: healthOf(running),
      // Collected for those who look only: others ask for a status often.
      get counters() {
        return member.#counters(running);
      },
    };
  }

  #counters(running: MemberParts | undefined): Record<string, number> {
    const counters: Record<string, number> = {};
    const sources: readonly object[] = [
      this.#transport.counters,
      running?.election.counters ?? {},
      running?.logCare.counters() ?? {},
    ];
    for (const source of sources) {
      for (const [name, value] of Object.entries(source)) {
        if (typeof value === 'number') {
          counters[name] = value;
        }
      }
    }
    counters.ingressRejected = running?.ingress.rejectedCount ?? 0;
    counters.ingressBackPressured = running?.ingress.backPressureCount ?? 0;
    counters.queriesAnswered = running?.reads.answeredCount ?? 0;
    counters.queriesRefused = running?.reads.refusedCount ?? 0;
    counters.queriesDropped = running?.reads.droppedCount ?? 0;
    counters.queriesRejected = running?.queryIngress.rejectedCount ?? 0;
    counters.answersDropped = running?.egress.droppedAnswerCount ?? 0;
    counters.consensusInvalid = running?.adapter.invalidCount ?? 0;
    counters.snapshotsTaken = running?.taker.takenCount ?? 0;
    counters.snapshotsSkipped = running?.taker.skippedCount ?? 0;
    counters.snapshotsFailed = running?.taker.failedCount ?? 0;
    counters.snapshotsByShadow = running?.shadow?.takenCount ?? 0;
    counters.snapshotsOffered = running?.installs.source.offerCount ?? 0;
    counters.snapshotBlocksSent = running?.installs.source.blockCount ?? 0;
    counters.segmentsPurged = running?.purger.purgedSegmentCount ?? 0;
    counters.clockSkewIgnored = running?.logClock.skewIgnoredCount ?? 0;
    counters.timersProposed = running?.module.timersProposed ?? 0;
    counters.consensusUndelivered = running?.publisher.undeliveredCount ?? 0;
    return counters;
  }

  #isStopped(): boolean {
    const { election, recorder } = this.#running as MemberParts;
    return election.state() === ElectionState.Left && !recorder.isRecording();
  }

  #check(): void {
    const running = this.#running;
    if (this.#failure === undefined && running?.recorder.isPoisoned() === true) {
      this.#failure = new PawlError(
        ErrorCode.StorageFailed,
        'the disk failed while the log was recorded: what was acknowledged is safe, nothing more ' +
          'is; replace the disk or restore the member, then start it again',
        'fatal',
      );
    }
    if (this.#failure === undefined && running?.module.isDiskFull() === true) {
      this.#failure = new PawlError(
        ErrorCode.StorageFull,
        `the disk is full: the log could not be recorded beyond position ` +
          `${running.recorder.stopPosition()}. Nothing acknowledged is lost; free space, then ` +
          'start the member again',
        'environment',
      );
    }
    for (const subscription of running?.subscriptions ?? []) {
      this.#failure ??= socketFailure(subscription);
    }
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  #open(nowNs: number): void {
    const { arena, config, storage } = this.#member;
    this.#tasks.run(
      openDirectory(storage, {
        clusterId: config.clusterId,
        memberId: config.member.memberId,
        arena,
        geometry: { termLength: config.logTermLength, segmentLength: config.segmentLength },
        lockHeld: this.#isBirthTried,
        // Damage is found before the member votes, not after.
        verifyFrom: 'start',
        // Of what a snapshot holds nothing is replayed.
        snapshotVersionMax: this.#member.service.snapshotVersion,
      }),
      (directory) => this.#start(directory, nowNs),
      (error) => {
        if (error.code === ErrorCode.DirectoryNotBorn && !this.#isBirthTried) {
          this.#birth(nowNs);
        } else {
          this.#failure = error;
        }
      },
    );
  }

  /**
   * A blank directory may be all that is left of a member that has voted: it is born without a
   * vote.
   */
  #birth(nowNs: number): void {
    const { clock, config, entropy, events, storage } = this.#member;
    this.#isBirthTried = true;
    events?.onWarning?.(
      'the data directory is blank: this member starts without a vote and gets it from a leader ' +
        'when it has caught up; to found a new cluster, run `pawl bootstrap` on each member first',
    );
    this.#tasks.run(
      bootstrapDirectory(storage, {
        clusterId: config.clusterId,
        memberId: config.member.memberId,
        configurationHash: config.configurationHash,
        voting: false,
        geometry: { termLength: config.logTermLength, segmentLength: config.segmentLength },
        mtuLength: config.member.mtuLength,
        entropy,
        wallMs: clock.wallMs(),
        // The lock was taken by the attempt to open the directory, and is held until the process
        // ends.
        lockHeld: true,
      }),
      () => this.#open(nowNs),
      (error) => {
        this.#failure = error;
      },
    );
  }

  #start(directory: RecoveredDirectory, nowNs: number): void {
    const { events } = this.#member;
    for (const warning of directory.warnings) {
      events?.onWarning?.(warning);
    }
    events?.onRecovered?.(directory);
    this.#running = assembleMember({
      ...this.#member,
      directory,
      transport: this.#transport,
      tasks: this.#tasks,
      onStateChange: (state, reason) => events?.onStateChange?.(electionStateName(state), reason),
      onRoleChange: (role, termId) => this.#onRoleChange(ROLES[role], termId),
      onRefused: (from, refused, reason) => this.#onRefused(from, refused, reason),
      onSnapshot: (entry) => events?.onSnapshot?.(entry),
      onWarning: (message) => events?.onWarning?.(message),
      onFatal: (error) => {
        this.#failure = error;
      },
    });
    if (this.#isLeaving) {
      this.#running.election.leave(nowNs);
    }
  }

  #onRoleChange(role: Role, termId: number): void {
    if (role !== this.#role) {
      this.#role = role;
      this.#member.service.onRoleChange(role);
    }
    this.#member.events?.onRoleChange?.(role, termId);
  }

  #onRefused(fromMemberId: number, refusedMemberId: number, reason: number): void {
    if (refusedMemberId !== this.config.member.memberId) {
      return;
    }
    this.#member.events?.onWarning?.(
      `member ${fromMemberId} refuses member ${refusedMemberId}: ${REFUSALS.get(reason) ?? reason}`,
    );
  }
}

/** How the log was found, and what has become of it since. */
function healthOf(running: MemberParts | undefined): string {
  if (running === undefined) {
    return 'opening';
  }
  if (!running.logCare.damage.isEmpty) {
    return 'corrupt';
  }
  const { kind } = running.directory.health;
  return kind === 'corrupt' ? 'repaired' : kind;
}

const REFUSALS: ReadonlyMap<number, string> = new Map([
  [
    RefusalReason.ClusterId,
    'the cluster ids differ: start this member with the cluster id of the others',
  ],
  [RefusalReason.Configuration, 'the cluster settings differ: make them equal on all members'],
  [RefusalReason.Durability, 'the durability levels differ: use the level of the others'],
  [
    RefusalReason.Incarnation,
    'its data directory is another one than before: it does not vote until it has caught up',
  ],
  [RefusalReason.ProtocolVersion, 'the protocol versions differ: run the version of the others'],
]);

function socketFailure(subscription: Subscription): PawlError | undefined {
  const { failure } = subscription;
  if (failure === undefined || failure instanceof PawlError) {
    return failure;
  }
  return new PawlError(
    ErrorCode.NetworkFailed,
    `cannot listen on ${subscription.channel}: ${failure.message}`,
    'environment',
    { cause: failure },
  );
}
