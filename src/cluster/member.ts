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
import type { Subscription } from '../transport/subscription.js';
import { Transport } from '../transport/transport.js';
import type { Authenticator, AuthorisationService } from './authenticator.js';
import { type ClusterConfig, fixedAtBirth } from './cluster-config.js';
import { ControlResult, type SuspensionAction } from './cluster-control.js';
import type { Divergence } from './divergence.js';
import { assembleMember, type MemberParts, type RecorderRunner } from './member-assembly.js';
import { type LimitVisitor, visitLimits } from './member-limits.js';
import type { MemberOrders } from './member-orders.js';
import {
  checkAuthentication,
  healthOf,
  memberCounters,
  REFUSALS,
  socketFailure,
} from './member-reports.js';
import type { Role, ServiceHost } from './service-host.js';
import { Services } from './services.js';
import type { ShadowRunner } from './shadow-snapshots.js';
import { ShutdownState } from './shutdown.js';

export type { RecorderRunner } from './member-assembly.js';

export interface MemberEvents {
  onRecovered?(directory: RecoveredDirectory): void;
  onStateChange?(state: string, reason: string): void;
  onRoleChange?(role: Role, leadershipTermId: number): void;
  /** A snapshot is complete: it counts from now on. */
  onSnapshot?(entry: SnapshotEntry): void;
  /** An operator has the cluster end: this member leaves at a position, as all others do. */
  onTerminated?(logPosition: Position): void;
  /** Members have put out different things; told once, and again when it is known who is odd. */
  onDivergence?(divergence: Divergence): void;
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
  /** By service id. */
  readonly services: readonly ServiceHost[];
  /** Given exactly where the cluster's setting `authentication` is `required`. */
  readonly authenticator?: Authenticator;
  /** Who may give orders over the client protocol; nobody when not given. */
  readonly authorisation?: AuthorisationService;
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
  /** The cluster takes nothing from clients, by an event of the log that is applied here. */
  readonly isSuspended: boolean;
  /** How far a shutdown is; see ShutdownState. */
  readonly shutdownState: string;
  readonly leadershipTermId: number;
  readonly leaderMemberId: number;
  readonly appendPosition: Position;
  readonly durablePosition: Position;
  readonly commitPosition: Position;
  readonly servicePosition: Position;
  /** Position of the newest snapshot that counts; 0 without one. */
  readonly snapshotPosition: Position;
  /** Bytes of that snapshot. */
  readonly snapshotLength: number;
  readonly sessionCount: number;
  /**
   * `sound` or `torn` as the start found the log; `corrupt` while ranges of it are damaged;
   * `repaired` when what the start found damaged is whole again; `diverged` when the service has
   * put out something else than on the others; `low space` while the disk has little room left.
   */
  readonly health: string;
  /** Where members have put out different things, and who is odd; undefined when nowhere. */
  readonly divergence: Divergence | undefined;
  /** Bytes that the disk had left when it was looked at last; undefined before. */
  readonly freeSpaceLength: number | undefined;
  readonly counters: Readonly<Record<string, number>>;
}

/**
 * A little more than the default interval at which members speak to each other in any case: a
 * stream that carries that needs no heartbeat of its own.
 */
const STREAM_HEARTBEAT_INTERVAL_NS = 125_000_000;

/** Streams that are not those of sessions: of members, of answers, of those who are refused. */
const STREAM_COUNT_SPARE = 1_024;

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
  readonly #services: Services;
  #running: MemberParts | undefined;
  /** Stays when the member is closed: whoever ordered a shutdown asks what became of it. */
  #shutdown: MemberParts['shutdown'] | undefined;
  #failure: PawlError | undefined;
  /** What a service threw when it was told that the member leaves. */
  #terminationError: PawlError | undefined;
  #role: Role = 'follower';
  /** What the operator was told of refusals: peers repeat them, and know few reasons. */
  readonly #refusalsTold = new Set<string>();
  #isStarted = false;
  #isLeaving = false;
  #isBirthTried = false;

  constructor(dependencies: MemberDependencies) {
    const { arena, config, entropy, network, storage } = dependencies;
    checkAuthentication(config, dependencies.authenticator !== undefined);
    this.config = config;
    this.#member = dependencies;
    this.#tasks = new StorageTasks(storage);
    this.#services = new Services(dependencies.services, config.serviceCount);
    const { member, logTermLength } = config;
    this.#transport = new Transport({
      arena,
      network,
      entropy,
      onWarning: (message) => dependencies.events?.onWarning?.(message),
      config: {
        mtuLength: member.mtuLength,
        termLength: member.streamTermLength,
        ipcTermLength: member.streamTermLength,
        initialWindowLength: member.windowLength,
        heartbeatIntervalNs: STREAM_HEARTBEAT_INTERVAL_NS,
        socketBufferLength: member.socketBufferLength,
        // A client is an image here and a publication there, for a while also when it has gone.
        imageCountMax: 2 * config.sessionCountMax + STREAM_COUNT_SPARE,
        publicationCountMax: 2 * config.sessionCountMax + STREAM_COUNT_SPARE,
        imageTermLengthMax: Math.max(logTermLength, member.streamTermLength, 64 * 1024 * 1024),
      },
    });
  }

  get transport(): Transport {
    return this.#transport;
  }

  /**
   * Set when the member cannot go on; doWork throws it. A service that throws when it is told of
   * the end is no reason not to leave: that is thrown when all else is complete.
   */
  get failure(): PawlError | undefined {
    return this.#failure ?? this.#terminationError;
  }

  /** Consensus and recorder, for whoever watches every duty cycle; undefined while it opens. */
  observe(): MemberParts | undefined {
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

  /** End of what all services have consumed. */
  get servicePosition(): Position {
    return this.#services.position;
  }

  /** Whether a clean leave is complete. */
  get hasLeft(): boolean {
    return this.#isAtEnd() && this.failure === undefined;
  }

  #isAtEnd(): boolean {
    const isLogStopped = this.#running === undefined || this.#isStopped();
    return this.#isLeaving && isLogStopped && this.#services.isTerminated;
  }

  doWork(nowNs: number): number {
    this.#check();
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#open();
    }
    let work = this.#transport.doWork(nowNs);
    work += this.#tasks.poll();
    this.#check();
    if (this.#running !== undefined) {
      work += this.#running.module.doWork(nowNs);
      this.#check();
      if (this.#running.shutdown.state === ShutdownState.Ended && !this.#isLeaving) {
        this.#member.events?.onTerminated?.(this.#running.shutdown.position);
        this.leave(nowNs);
      }
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
      this.#terminationError = this.#services.terminate();
      this.#running?.election.leave(nowNs);
    }
  }

  /** Suspends or resumes the cluster; the status tells when that is so. */
  orderSuspension(action: SuspensionAction): ControlResult {
    return this.#running?.control.order(action) ?? ControlResult.NotLeader;
  }

  /** Has all members take a snapshot and end at one position. */
  orderShutdown(nowNs: number): ControlResult {
    return this.#running?.shutdown.order(nowNs) ?? ControlResult.NotLeader;
  }

  /** What an operator's orders have come to, as far as this member, which leads, knows. */
  orders(): MemberOrders {
    const running = this.#running;
    return {
      canTakeSnapshot: running?.schedule.canTake ?? false,
      snapshotsServed: running?.schedule.servedCount ?? 0,
      snapshotServedPosition: running?.schedule.servedPosition ?? 0,
      suspensionPosition: running?.control.position ?? 0,
      shutdownPosition: this.#shutdown?.position ?? -1,
      shutdownAcknowledged: this.#shutdown?.acknowledged ?? [],
    };
  }

  /** Begins to hand leadership over to another member; the status tells what became of it. */
  transferLeadership(target: number, nowNs: number): TransferResult {
    return this.#running?.election.transferLeadership(target, nowNs) ?? TransferResult.NotLeader;
  }

  close(): void {
    this.#running?.close();
    this.#running = undefined;
    this.#services.close();
    this.#member.recorderRunner?.close();
    this.#transport.close();
  }

  status(): MemberStatus {
    const member = this;
    const running = this.#running;
    const { memberId } = this.config.member;
    return {
      memberId,
      state: running === undefined ? 'OPENING' : electionStateName(running.election.state()),
      role: this.#role,
      isVoting: running?.election.isVoting() ?? false,
      isIngressOpen: running?.module.isIngressOpen ?? false,
      isHandingOver: running?.election.isHandingOver() ?? false,
      isSuspended: running?.control.isSuspended ?? false,
      shutdownState: this.#shutdown?.state ?? ShutdownState.None,
      leadershipTermId: running?.election.leadershipTermId() ?? -1,
      leaderMemberId: running?.election.leaderMemberId() ?? -1,
      appendPosition: running?.module.appendPosition() ?? 0,
      durablePosition: running?.module.durablePosition() ?? 0,
      commitPosition: running?.election.commitPosition() ?? 0,
      servicePosition: this.#services.position,
      snapshotPosition: running?.taker.newestPosition() ?? 0,
      snapshotLength: running?.taker.newestLength() ?? 0,
      sessionCount: running?.applied.count ?? 0,
      health: healthOf(running, memberId),
      divergence: running?.outputs.divergence,
      freeSpaceLength: running?.diskWatch.freeLength,
      // Collected for those who look only: others ask for a status often.
      get counters() {
        return memberCounters(member.#transport, member.#member.arena, running);
      },
    };
  }

  #isStopped(): boolean {
    const { election, recorder } = this.#running as MemberParts;
    const isAtRest = !recorder.isRecording() && !recorder.isClosing();
    return election.state() === ElectionState.Left && isAtRest;
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
    if (running !== undefined) {
      for (let index = 0; index < running.subscriptions.length; index++) {
        this.#failure ??= socketFailure(running.subscriptions[index] as Subscription);
      }
    }
    if (this.#terminationError !== undefined && this.#isAtEnd()) {
      this.#failure ??= this.#terminationError;
    }
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  #open(): void {
    const { arena, config, storage } = this.#member;
    this.#tasks.run(
      openDirectory(storage, {
        ...fixedAtBirth(config),
        arena,
        lockHeld: this.#isBirthTried,
        // Damage is found before the member votes, not after.
        verifyFrom: 'start',
        // Of what a snapshot holds nothing is replayed.
        snapshotVersionsMax: this.#services.snapshotVersions,
      }),
      (directory) => this.#start(directory),
      (error) => {
        if (error.code === ErrorCode.DirectoryNotBorn && !this.#isBirthTried) {
          this.#birth();
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
  #birth(): void {
    const { clock, config, entropy, events, storage } = this.#member;
    this.#isBirthTried = true;
    events?.onWarning?.(
      'the data directory is blank: this member starts without a vote and gets it from a leader ' +
        'when it has caught up; to found a new cluster, run `pawl bootstrap` on each member first',
    );
    this.#tasks.run(
      bootstrapDirectory(storage, {
        ...fixedAtBirth(config),
        configurationHash: config.configurationHash,
        voting: false,
        mtuLength: config.member.mtuLength,
        entropy,
        wallMs: clock.wallMs(),
        // The lock was taken by the attempt to open the directory, and is held until the process
        // ends.
        lockHeld: true,
      }),
      () => this.#open(),
      (error) => {
        this.#failure = error;
      },
    );
  }

  #start(directory: RecoveredDirectory): void {
    const { events } = this.#member;
    // It has told nobody that it is there, and its services were never started.
    if (this.#isLeaving) {
      return;
    }
    for (const warning of directory.warnings) {
      events?.onWarning?.(warning);
    }
    events?.onRecovered?.(directory);
    this.#running = assembleMember({
      ...this.#member,
      services: this.#services,
      directory,
      transport: this.#transport,
      tasks: this.#tasks,
      onStateChange: (state, reason) => events?.onStateChange?.(electionStateName(state), reason),
      onRoleChange: (role, termId) => this.#onRoleChange(ROLES[role], termId),
      onRefused: (from, refused, reason) => this.#onRefused(from, refused, reason),
      onSnapshot: (entry) => events?.onSnapshot?.(entry),
      onDivergence: (divergence) => events?.onDivergence?.(divergence),
      onWarning: (message) => events?.onWarning?.(message),
      onFatal: (error) => {
        this.#failure = error;
      },
    });
    this.#shutdown = this.#running.shutdown;
  }

  #onRoleChange(role: Role, termId: number): void {
    if (role !== this.#role) {
      this.#role = role;
      this.#services.onRoleChange(role);
    }
    this.#member.events?.onRoleChange?.(role, termId);
  }

  #onRefused(fromMemberId: number, refusedMemberId: number, reason: number): void {
    const { events } = this.#member;
    const isFromPeer = this.config.endpoints.some(({ memberId }) => memberId === fromMemberId);
    const why = REFUSALS.get(reason) ?? 'a reason of another version';
    const message = `member ${fromMemberId} refuses member ${refusedMemberId}: ${why}`;
    const isOwn = refusedMemberId === this.config.member.memberId && isFromPeer;
    if (isOwn && !this.#refusalsTold.has(message)) {
      this.#refusalsTold.add(message);
      events?.onWarning?.(message);
    }
  }
}
