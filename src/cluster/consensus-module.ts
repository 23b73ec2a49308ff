// consensus-module.ts: one member's part in the cluster, as one duty cycle.
//
// Hear the others, take what clients send, record, decide, apply what is committed, answer. Within
// one turn an acknowledgement that arrived becomes a commit position, a service call and a reply.

import { RecorderStop } from '../archive/recorder-control.js';
import type { RecorderProxy } from '../archive/recorder-proxy.js';
import type { Election } from '../consensus/election.js';
import { ElectionState } from '../consensus/election-state.js';
import { hit, Mark } from '../marks.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import { MEMBER_NULL, type Position } from '../position.js';
import type { Redirect } from './client-orders.js';
import type { ClusterConfig } from './cluster-config.js';
import type { ClusterControl } from './cluster-control.js';
import { CONSENSUS_FRAGMENT_LIMIT, type ConsensusAdapter } from './consensus-adapter.js';
import type { ConsensusEffects } from './consensus-effects.js';
import type { ConsensusPublisher } from './consensus-publisher.js';
import type { DiskWatch } from './disk-watch.js';
import type { Egress } from './egress.js';
import type { FollowerLog } from './follower-log.js';
import type { IngressAdapter } from './ingress-adapter.js';
import type { Installs } from './installs.js';
import type { LeaderLog } from './leader-log.js';
import type { LeaderReads } from './leader-reads.js';
import type { LeaderSessions } from './leader-sessions.js';
import type { LogApplier } from './log-applier.js';
import type { LogCare } from './log-care.js';
import type { LogClock } from './log-clock.js';
import type { LogPublisher } from './log-publisher.js';
import type { Outputs } from './outputs.js';
import type { Responder } from './responder.js';
import type { ServiceProposer } from './service-proposer.js';
import type { Services } from './services.js';
import type { SessionAdmission } from './session-admission.js';
import type { ShadowSnapshots } from './shadow-snapshots.js';
import type { Shutdown } from './shutdown.js';
import type { SnapshotLoader } from './snapshot-loader.js';
import type { SnapshotSchedule } from './snapshot-schedule.js';
import type { SnapshotTaker } from './snapshot-taker.js';

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
  readonly diskWatch: DiskWatch;
  readonly installs: Installs;
  readonly logClock: LogClock;
  readonly logPublisher: LogPublisher;
  readonly ingress: IngressAdapter;
  readonly reads: LeaderReads;
  readonly sessions: LeaderSessions;
  readonly admission: SessionAdmission;
  readonly control: ClusterControl;
  readonly shutdown: Shutdown;
  readonly proposer: ServiceProposer;
  readonly schedule: SnapshotSchedule;
  readonly taker: SnapshotTaker;
  /** What takes the service's part of snapshots in its place. */
  readonly shadow: ShadowSnapshots | undefined;
  /** The snapshot that the member starts from, while it is loaded. */
  readonly loader: SnapshotLoader | undefined;
  readonly applier: LogApplier;
  readonly outputs: Outputs;
  readonly egress: Egress;
  readonly responder: Responder;
  readonly services: Services;
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
    return this.#parts.proposer.timerCount;
  }

  /** Messages of services that this member has appended to the log as a leader. */
  get serviceMessagesProposed(): number {
    return this.#parts.proposer.messageCount;
  }

  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    const { adapter, effects, election, egress, logCare, publisher, responder, sendNow } =
      this.#parts;
    let work = adapter.poll(nowNs);
    this.#hasMore = work >= CONSENSUS_FRAGMENT_LIMIT;
    work += effects.doWork(nowNs);
    const hasTaken = this.#takesIngress();
    const taken = (hasTaken ? this.#pollIngress(nowNs) : 0) + this.#moveIdleLog();
    if (taken > 0 && this.#isLeading) {
      this.#parts.reads.begin(election, nowNs);
      // The followers record, and confirm reads, while this member works.
      work += sendNow(nowNs);
    }
    work += taken;
    work += this.#updateProgress(nowNs);
    work += election.doWork(nowNs);
    this.#noteCommit();
    this.#followRole(nowNs);
    work += this.#apply(nowNs);
    work += egress.doWork(nowNs);
    work += responder.doWork(nowNs);
    this.#hasMore ||= egress.hasMore;
    work += logCare.doWork(nowNs) + this.#parts.installs.doWork(nowNs);
    work += this.#parts.shutdown.doWork(nowNs);
    work += this.#parts.outputs.doWork(nowNs) + this.#parts.diskWatch.doWork(nowNs);
    publisher.flush();
    if (!hasTaken && this.#takesIngress()) {
      // What clients have sent by now is looked at at once: nothing else may come for long.
      hit(Mark.IngressOpens);
      this.#hasMore = true;
      work++;
    }
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
      this.#parts.shutdown.deadlineNs(),
      this.#parts.outputs.deadlineNs(),
      this.#parts.diskWatch.deadlineNs(),
      this.#isIngressOpen ? this.#leaderDeadlineNs() : Number.POSITIVE_INFINITY,
    );
  }

  /** When an idle leader has to look at sessions or timers. */
  #leaderDeadlineNs(): number {
    const { logClock, proposer } = this.#parts;
    const nextMs = this.#isHeld() ? Number.POSITIVE_INFINITY : proposer.nextDeadlineMs();
    const timerNs = Math.max(TIMER_WAIT_MIN_NS, logClock.nsUntil(nextMs));
    return this.#nowNs + Math.min(SESSION_CHECK_INTERVAL_NS, timerNs);
  }

  #takesIngress(): boolean {
    const { election, leaderLog } = this.#parts;
    if (election.isHandingOver() || (this.#isIngressOpen && this.#isHeld())) {
      // Clients wait in their streams: what was taken now would be lost with the leadership, or is
      // not to be taken before an operator resumes.
      return false;
    }
    // A leader that is not ready yet leaves ingress where it is: clients wait, nothing is dropped.
    return this.#isIngressOpen ? leaderLog.publication !== undefined : !this.#isLeading;
  }

  #pollIngress(nowNs: number): number {
    const { clock, election, ingress, leaderLog, logClock } = this.#parts;
    const publication = leaderLog.publication;
    if (this.#isIngressOpen && publication !== undefined) {
      const timestamp = logClock.timeMs(nowNs, clock.wallMs());
      const leadershipTermId = election.leadershipTermId();
      const work = ingress.pollAsLeader({ leadershipTermId, publication }, timestamp, nowNs);
      this.#hasMore ||= ingress.hasMore;
      return work;
    }
    return ingress.pollAsFollower(this.#redirectNow(), nowNs);
  }

  /** A member waits for its vote until something new is committed: an idle leader sees to it. */
  #moveIdleLog(): number {
    const { election, leaderLog, logPublisher } = this.#parts;
    const isIdle = leaderLog.isOpen && leaderLog.tail() === election.commitPosition();
    const isAtEnd = election.isHandingOver() || this.#parts.shutdown.isHeld;
    if (!isIdle || !election.admissionWaitsForLog() || isAtEnd) {
      return 0;
    }
    return logPublisher.appendPadding() > 0 ? 1 : 0;
  }

  /** Recording goes on, and the election hears how far it is. */
  #updateProgress(nowNs: number): number {
    const { election, followerLog, inlineRecorder, leaderLog, recorder } = this.#parts;
    leaderLog.updateProgress();
    leaderLog.tryFailedAgain(nowNs);
    if (followerLog.updateProgress()) {
      election.onLogActivity(nowNs);
    }
    const work = inlineRecorder?.doWork(nowNs) ?? 0;
    if (recorder.isRecording() && !recorder.isBusy()) {
      const append = leaderLog.isOpen ? leaderLog.tail() : followerLog.appendPosition();
      const durable = recorder.durablePosition();
      election.onLogProgress(durable, Math.max(append, durable), nowNs);
    }
    if (followerLog.isLost) {
      followerLog.isLost = false;
      election.onLogLost(nowNs);
    }
    return work;
  }

  /**
   * The mark may claim what is committed before anything of it is answered: there may be no other
   * turn before this member leaves.
   */
  #noteCommit(): void {
    const { election, recorder } = this.#parts;
    if (recorder.isRecording() && !recorder.isBusy()) {
      recorder.setCommitPosition(election.consumablePosition());
    }
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
        this.#parts.admission.endTerm();
        this.#parts.control.endTerm();
      }
    }
    const isIngressOpen = isLeading && election.isIngressOpen();
    if (!isIngressOpen && this.#isIngressOpen) {
      this.#parts.reads.endTerm();
    }
    if (isIngressOpen && !this.#isIngressOpen) {
      egress.open();
      const nowMs = logClock.timeMs(nowNs, clock.wallMs());
      this.#parts.proposer.startTerm(election.leadershipTermId());
      this.#parts.admission.startTerm(election.leadershipTermId());
      this.#parts.control.startTerm(election.leadershipTermId());
      this.#parts.schedule.startTerm(election.leadershipTermId(), nowMs);
      sessions.openIngress(nowMs);
    }
    this.#isIngressOpen = isIngressOpen;
  }

  /**
   * Applies what is committed: sessions first, so that the services' replies have somewhere to go.
   */
  #apply(nowNs: number): number {
    const { applier, clock, election, loader, logClock, services, shadow, taker } = this.#parts;
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
    work += services.doWork(Math.min(limit, applier.position));
    const shadowed = shadow?.doWork() ?? 0;
    this.#hasMore ||= shadowed > 0;
    work += shadowed;
    const servicePosition = services.position;
    this.#hasMore ||= work > 0 && servicePosition < limit;
    applier.finishCloses(servicePosition);
    if (this.#isIngressOpen) {
      work += this.#answerReads(nowNs);
    }
    election.onServicePosition(Math.min(applier.position, servicePosition));
    if (this.#isIngressOpen && !election.isHandingOver()) {
      const appended = this.#appendEvents(nowMs, nowNs);
      if (appended > 0) {
        // Events were appended after this turn's recording: it goes on at once.
        work += appended + this.#updateProgress(nowNs);
      }
    }
    return work;
  }

  /** The next round is under way while the queries of the last one are answered. */
  #answerReads(nowNs: number): number {
    const { election, reads, sendNow } = this.#parts;
    reads.advance(election);
    const sent = reads.begin(election, nowNs) ? sendNow(nowNs) : 0;
    const answered = reads.answer();
    this.#hasMore ||= reads.hasMore;
    return sent + answered;
  }

  /** Whether a leader holds back what clients send: by order, or because it is to end. */
  #isHeld(): boolean {
    return this.#parts.control.isHeld || this.#parts.shutdown.isHeld;
  }

  /** What the leader itself has to say. Returns how many events. */
  #appendEvents(nowMs: number, nowNs: number): number {
    const { admission, control, proposer, schedule, services, sessions, shutdown } = this.#parts;
    if (shutdown.isHeld) {
      return shutdown.wantsSnapshot ? schedule.doWork(nowMs, services.position) : 0;
    }
    if (control.takeResumed()) {
      sessions.restartTimes(nowMs);
      admission.restartTimes(nowMs);
    }
    let appended = control.doWork(nowMs) + sessions.doWork(nowMs, control.isHeld);
    if (!control.isHeld) {
      appended += admission.doWork(nowMs, nowNs) + proposer.doWork(nowMs);
      this.#hasMore ||= proposer.hasMore;
    }
    return appended + schedule.doWork(nowMs, services.position);
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
    const { election, followerLog, leaderLog, recorder } = this.#parts;
    if (leaderLog.isOpen) {
      return leaderLog.tail();
    }
    return recorder.isRecording() ? followerLog.appendPosition() : election.durablePosition();
  }

  /** Position up to which the log is durable here, also while nothing is recorded. */
  durablePosition(): Position {
    const { election, recorder } = this.#parts;
    return recorder.isRecording() ? recorder.durablePosition() : election.durablePosition();
  }

  /** Whether the recorder ceased because the disk is full. */
  isDiskFull(): boolean {
    return this.#parts.recorder.stopReason() === RecorderStop.NoSpace;
  }
}
