// consensus-module.ts: one member's part in the cluster, as one duty cycle.
//
// Hear the others, take what clients send, record, decide, apply what is committed, answer. Within
// one turn an acknowledgement that arrived becomes a commit position, a service call and a reply.

import { RecorderStop } from '../archive/recorder-control.js';
import type { RecorderProxy } from '../archive/recorder-proxy.js';
import type { Election } from '../consensus/election.js';
import { ElectionState } from '../consensus/election-state.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import { MEMBER_NULL, type Position } from '../position.js';
import type { ClusterConfig } from './cluster-config.js';
import { CONSENSUS_FRAGMENT_LIMIT, type ConsensusAdapter } from './consensus-adapter.js';
import type { ConsensusEffects } from './consensus-effects.js';
import type { ConsensusPublisher } from './consensus-publisher.js';
import type { Egress } from './egress.js';
import type { FollowerLog } from './follower-log.js';
import type { IngressAdapter, Redirect } from './ingress-adapter.js';
import type { Installs } from './installs.js';
import type { LeaderLog } from './leader-log.js';
import type { LeaderReads } from './leader-reads.js';
import type { LeaderSessions } from './leader-sessions.js';
import type { LogApplier } from './log-applier.js';
import type { LogCare } from './log-care.js';
import type { LogClock } from './log-clock.js';
import type { LogPublisher } from './log-publisher.js';
import type { Responder } from './responder.js';
import type { ServiceHost } from './service-host.js';
import type { ShadowSnapshots } from './shadow-snapshots.js';
import type { SnapshotLoader } from './snapshot-loader.js';
import type { SnapshotSchedule } from './snapshot-schedule.js';
import type { SnapshotTaker } from './snapshot-taker.js';
import type { TimerProposer } from './timer-proposer.js';

/** Parts of the module, made by the member. */
export interface ConsensusModuleParts {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly election: Election;
  readonly effects: ConsensusEffects;
  readonly adapter: ConsensusAdapter;
  readonly publisher: ConsensusPublisher;
  readonly recorder: RecorderProxy;
  /** Sends what is queued now, ahead of the end of the turn. */
  readonly sendNow: (nowNs: number) => number;
  /** The recorder itself, when it runs on this thread. */
  readonly inlineRecorder: Agent | undefined;
  readonly leaderLog: LeaderLog;
  readonly followerLog: FollowerLog;
  readonly logCare: LogCare;
  readonly installs: Installs;
  readonly logClock: LogClock;
  readonly logPublisher: LogPublisher;
  readonly ingress: IngressAdapter;
  readonly reads: LeaderReads;
  readonly sessions: LeaderSessions;
  readonly timers: TimerProposer;
  readonly schedule: SnapshotSchedule;
  readonly taker: SnapshotTaker;
  /** What takes the service's part of snapshots in its place. */
  readonly shadow: ShadowSnapshots | undefined;
  /** The snapshot that the member starts from, while it is loaded. */
  readonly loader: SnapshotLoader | undefined;
  readonly applier: LogApplier;
  readonly egress: Egress;
  readonly responder: Responder;
  readonly service: ServiceHost;
  readonly ingressEndpoints: string;
}

/** A leader looks at session timeouts at least this often. */
const SESSION_CHECK_INTERVAL_NS = 100_000_000;
/** A leader waits at least this long for a timer: log time may be slewed while it waits. */
const TIMER_WAIT_MIN_NS = 50_000;

/** The consensus module: polled, synchronous, deterministic. */
export class ConsensusModule {
  readonly #parts: ConsensusModuleParts;
  #isIngressOpen = false;
  #isLeading = false;
  #redirect: Redirect | undefined;
  #nowNs = 0;
  // Whether the last duty cycle stopped at a limit, with more to do at once.
  #hasMore = false;

  constructor(parts: ConsensusModuleParts) {
    this.#parts = parts;
  }

  get isIngressOpen(): boolean {
    return this.#isIngressOpen;
  }

  /** Timers that this member has appended to the log as a leader. */
  get timersProposed(): number {
    return this.#parts.timers.proposedCount;
  }

  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    const { adapter, effects, election, egress, logCare, publisher, responder, sendNow } =
      this.#parts;
    let work = adapter.poll(nowNs);
    this.#hasMore = work >= CONSENSUS_FRAGMENT_LIMIT;
    work += effects.doWork(nowNs);
    const taken = this.#pollIngress(nowNs) + this.#moveIdleLog();
    if (taken > 0 && this.#isLeading) {
      this.#parts.reads.begin(election, nowNs);
      // The followers record, and confirm reads, while this member works.
      work += sendNow(nowNs);
    }
    work += taken;
    work += this.#updateProgress(nowNs);
    work += election.doWork(nowNs);
    this.#followRole(nowNs);
    work += this.#apply(nowNs);
    work += egress.doWork(nowNs);
    work += responder.doWork(nowNs);
    work += logCare.doWork(nowNs) + this.#parts.installs.doWork(nowNs);
    publisher.flush();
    return work;
  }

  /** Whether the last duty cycle left nothing that another one could do without new input. */
  isSettled(): boolean {
    return !this.#hasMore && this.#parts.election.state() === ElectionState.Closed;
  }

  deadlineNs(): number {
    const { election, inlineRecorder, logCare, responder } = this.#parts;
    return Math.min(
      election.deadlineNs(),
      inlineRecorder?.deadlineNs() ?? Number.POSITIVE_INFINITY,
      responder.deadlineNs(),
      logCare.deadlineNs(),
      this.#parts.installs.deadlineNs(),
      this.#parts.taker.deadlineNs(),
      this.#isIngressOpen ? this.#leaderDeadlineNs() : Number.POSITIVE_INFINITY,
    );
  }

  /** When an idle leader has to look at sessions or timers. */
  #leaderDeadlineNs(): number {
    const { logClock, timers } = this.#parts;
    const timerNs = Math.max(TIMER_WAIT_MIN_NS, logClock.nsUntil(timers.nextDeadlineMs()));
    return this.#nowNs + Math.min(SESSION_CHECK_INTERVAL_NS, timerNs);
  }

  #pollIngress(nowNs: number): number {
    const { clock, election, ingress, leaderLog, logClock } = this.#parts;
    const publication = leaderLog.publication;
    if (election.isHandingOver()) {
      // Clients wait in their streams: what was taken now would be lost with the leadership.
      return 0;
    }
    if (this.#isIngressOpen && publication !== undefined) {
      const timestamp = logClock.timeMs(nowNs, clock.wallMs());
      const leadershipTermId = election.leadershipTermId();
      const work = ingress.pollAsLeader({ leadershipTermId, publication }, timestamp, nowNs);
      this.#hasMore ||= ingress.hasMore;
      return work;
    }
    // A leader that is not ready yet leaves ingress where it is: clients wait, nothing is dropped.
    return this.#isLeading ? 0 : ingress.pollAsFollower(this.#redirectNow(), nowNs);
  }

  /** A member waits for its vote until something new is committed: an idle leader sees to it. */
  #moveIdleLog(): number {
    const { election, leaderLog, logPublisher } = this.#parts;
    const isIdle = leaderLog.isOpen && leaderLog.tail() === election.commitPosition();
    if (!isIdle || !election.admissionWaitsForLog() || election.isHandingOver()) {
      return 0;
    }
    return logPublisher.appendPadding() > 0 ? 1 : 0;
  }

  /** Recording goes on, and the election hears how far it is. */
  #updateProgress(nowNs: number): number {
    const { election, followerLog, inlineRecorder, leaderLog, recorder } = this.#parts;
    leaderLog.updateProgress();
    if (followerLog.updateProgress()) {
      election.onLogActivity(nowNs);
    }
    const work = inlineRecorder?.doWork(nowNs) ?? 0;
    if (recorder.isRecording() && !recorder.isBusy()) {
      const append = leaderLog.isOpen ? leaderLog.tail() : followerLog.appendPosition();
      const durable = recorder.durablePosition();
      election.onLogProgress(durable, Math.max(append, durable), nowNs);
      recorder.setCommitPosition(election.consumablePosition());
    }
    if (followerLog.isLost) {
      followerLog.isLost = false;
      election.onLogLost(nowNs);
    }
    return work;
  }

  /** What changes when this member begins or ceases to lead, or opens its ingress. */
  #followRole(nowNs: number): void {
    const { clock, election, egress, leaderLog, logClock, sessions } = this.#parts;
    const isLeading = leaderLog.isOpen;
    if (isLeading !== this.#isLeading) {
      this.#isLeading = isLeading;
      if (isLeading) {
        egress.startTerm(election.leadershipTermId(), this.#parts.ingressEndpoints);
        sessions.startTerm(election.leadershipTermId());
      } else {
        egress.endTerm();
        sessions.endTerm();
      }
    }
    const isIngressOpen = isLeading && election.isIngressOpen();
    if (!isIngressOpen && this.#isIngressOpen) {
      this.#parts.reads.endTerm();
    }
    if (isIngressOpen && !this.#isIngressOpen) {
      egress.open();
      const nowMs = logClock.timeMs(nowNs, clock.wallMs());
      this.#parts.timers.startTerm(election.leadershipTermId());
      this.#parts.schedule.startTerm(election.leadershipTermId(), nowMs);
      sessions.openIngress(nowMs);
    }
    this.#isIngressOpen = isIngressOpen;
  }

  /**
   * Applies what is committed: sessions first, so that the service's replies have somewhere to go.
   */
  #apply(nowNs: number): number {
    const { applier, clock, election, logClock, service, sessions } = this.#parts;
    const { loader, schedule, shadow, taker, timers } = this.#parts;
    const isLoading = loader?.isDone === false;
    const limit = isLoading ? applier.position : election.consumablePosition();
    let nowMs = 0;
    if (this.#isIngressOpen) {
      nowMs = logClock.timeMs(nowNs, clock.wallMs());
    }
    const loaded = loader?.doWork() ?? 0;
    this.#hasMore ||= loaded > 0;
    let work = loaded + taker.doWork(nowNs);
    work += applier.poll(limit, this.#isIngressOpen, nowMs);
    work += service.doWork(Math.min(limit, applier.position));
    const shadowed = shadow?.doWork() ?? 0;
    this.#hasMore ||= shadowed > 0;
    work += shadowed;
    this.#hasMore ||= work > 0 && service.position < limit;
    applier.finishCloses(service.position);
    if (this.#isIngressOpen) {
      const { reads } = this.#parts;
      work += reads.doWork(election, nowNs);
      this.#hasMore ||= reads.hasMore;
    }
    election.onServicePosition(Math.min(applier.position, service.position));
    if (this.#isIngressOpen && !election.isHandingOver()) {
      const appended =
        sessions.doWork(nowMs) + timers.doWork(nowMs) + schedule.doWork(nowMs, service.position);
      this.#hasMore ||= timers.hasMore;
      if (appended > 0) {
        // Events were appended after this turn's recording: it goes on at once.
        work += appended + this.#updateProgress(nowNs);
      }
    }
    return work;
  }

  #redirectNow(): Redirect | undefined {
    const { election, ingressEndpoints } = this.#parts;
    const leaderMemberId = election.leaderMemberId();
    if (leaderMemberId === MEMBER_NULL) {
      return undefined;
    }
    const leadershipTermId = election.leadershipTermId();
    const known = this.#redirect;
    if (
      known === undefined ||
      known.leaderMemberId !== leaderMemberId ||
      known.leadershipTermId !== leadershipTermId
    ) {
      this.#redirect = { leaderMemberId, leadershipTermId, ingressEndpoints };
    }
    return this.#redirect;
  }

  /** Position up to which the log is appended here. */
  appendPosition(): Position {
    const { followerLog, leaderLog, recorder } = this.#parts;
    if (leaderLog.isOpen) {
      return leaderLog.tail();
    }
    return recorder.isRecording() ? followerLog.appendPosition() : recorder.durablePosition();
  }

  /** Whether the recorder ceased because the disk is full. */
  isDiskFull(): boolean {
    return this.#parts.recorder.stopReason() === RecorderStop.NoSpace;
  }
}
