// shutdown.ts: all members end at one position, with a snapshot of it.
//
// The leader takes nothing more from anybody, appends a snapshot event as the last of its log, and
// tells the others that position. Each acknowledges when its service is there and its snapshot
// complete, and goes on following. When all that can be reached have acknowledged, the leader says
// that it ends too, and everybody leaves. A leader that fails before is followed by another one:
// then the cluster runs on, and the order is to be given again.

import type { Election } from '../consensus/election.js';
import type { MemberId } from '../consensus/election-effects.js';
import { MemberRole } from '../consensus/election-state.js';
import { hit, Mark } from '../marks.js';
import { POSITION_NULL, type Position } from '../position.js';
import type { ClusterConfig } from './cluster-config.js';
import { ControlResult } from './cluster-control.js';
import type { ConsensusPublisher } from './consensus-publisher.js';
import type { LogPublisher } from './log-publisher.js';
import type { Services } from './services.js';
import type { SnapshotSchedule } from './snapshot-schedule.js';
import type { SnapshotTaker } from './snapshot-taker.js';

/** Messages of a shutdown are repeated so often. */
const REPEAT_INTERVAL_NS = 50_000_000;
/** A leader waits so long for those who acknowledged to be gone. */
export const SHUTDOWN_LEAVE_TIMEOUT_NS = 1_000_000_000;

/** How far a shutdown is. */
export const ShutdownState = {
  None: 'none',
  /** The leader has its last event still to append. */
  Beginning: 'beginning',
  /** The position is known; members bring their snapshots to an end. */
  Gathering: 'gathering',
  /** Everybody ends. */
  Ending: 'ending',
  /** This member is to leave. */
  Ended: 'ended',
} as const;
export type ShutdownState = (typeof ShutdownState)[keyof typeof ShutdownState];

export interface ShutdownParts {
  readonly config: ClusterConfig;
  readonly election: Election;
  readonly publisher: ConsensusPublisher;
  readonly logPublisher: LogPublisher;
  readonly schedule: SnapshotSchedule;
  readonly taker: SnapshotTaker;
  readonly services: Services;
}

/** One member's part in a shutdown: a leader's or a follower's. */
export class Shutdown {
  readonly #parts: ShutdownParts;
  readonly #others: readonly MemberId[];
  readonly #acknowledged = new Set<MemberId>();
  #state: ShutdownState = ShutdownState.None;
  #termId = -1;
  #leaderMemberId = -1;
  #position: Position = POSITION_NULL;
  #servedBefore = 0;
  #nextNs = 0;
  #endNs = Number.POSITIVE_INFINITY;

  constructor(parts: ShutdownParts) {
    this.#parts = parts;
    const { endpoints, member } = parts.config;
    this.#others = endpoints.map((one) => one.memberId).filter((id) => id !== member.memberId);
  }

  get state(): ShutdownState {
    return this.#state;
  }

  /** Term of the leader that ends, or ended, the cluster; -1 before. */
  get termId(): number {
    return this.#termId;
  }

  /** Where all members end; -1 while that is not known. */
  get position(): Position {
    return this.#position;
  }

  /** Members that have acknowledged to this leader. */
  get acknowledged(): readonly MemberId[] {
    return [...this.#acknowledged].sort((a, b) => a - b);
  }

  /** Whether this leader appends nothing more. */
  get isHeld(): boolean {
    return this.#isLeading() && this.#state !== ShutdownState.None;
  }

  /** Whether the last event, which is a snapshot's, is still to be appended. */
  get wantsSnapshot(): boolean {
    return this.#state === ShutdownState.Beginning;
  }

  deadlineNs(): number {
    const isOver = this.#state === ShutdownState.None || this.#state === ShutdownState.Ended;
    return isOver ? Number.POSITIVE_INFINITY : this.#nextNs;
  }

  /** An operator wants the cluster to end. Only while ingress is open. */
  order(nowNs: number): ControlResult {
    const { config, election, schedule } = this.#parts;
    if (!election.isIngressOpen()) {
      return ControlResult.NotLeader;
    }
    if (this.#state !== ShutdownState.None) {
      return ControlResult.UnderWay;
    }
    this.#acknowledged.clear();
    this.#termId = election.leadershipTermId();
    this.#leaderMemberId = config.member.memberId;
    this.#state = ShutdownState.Beginning;
    this.#servedBefore = schedule.servedCount;
    this.#endNs = nowNs + config.member.terminationTimeoutMs * 1e6;
    this.#nextNs = nowNs;
    if (schedule.canTake) {
      schedule.request();
    }
    return ControlResult.Ordered;
  }

  /** The leader that this member follows says where its term is to end. */
  onTerminationPosition(
    from: MemberId,
    termId: number,
    position: Position,
    nowNs: number,
  ): boolean {
    const isPossible = Number.isSafeInteger(position) && position >= 0;
    if (!isPossible || !this.#parts.election.peers.isFollowed(from, termId)) {
      return false;
    }
    if (this.#state === ShutdownState.None) {
      this.#state = ShutdownState.Gathering;
      this.#termId = termId;
      this.#leaderMemberId = from;
      this.#position = position;
      this.#nextNs = nowNs;
    }
    return true;
  }

  /** A member is ready to end at a position; the leader says so last, and means everybody. */
  onTerminationAck(from: MemberId, termId: number, position: Position): boolean {
    const isMine = termId === this.#termId && position === this.#position;
    const isKnown = this.#others.includes(from) && this.#parts.election.peers.isIntroduced(from);
    if (!isMine || !isKnown || this.#state === ShutdownState.None) {
      return false;
    }
    if (this.#isLeading()) {
      hit(Mark.ShutdownAcknowledged);
      this.#acknowledged.add(from);
      return true;
    }
    // The leader answers those who have acknowledged, and nobody else speaks for it.
    const isAnswer = this.#state === ShutdownState.Ending && from === this.#leaderMemberId;
    if (isAnswer) {
      this.#state = ShutdownState.Ended;
    }
    return isAnswer;
  }

  /** Returns work done. */
  doWork(nowNs: number): number {
    if (this.#state === ShutdownState.None || this.#state === ShutdownState.Ended) {
      return 0;
    }
    const before = this.#state;
    if (this.#leaderMemberId === this.#parts.config.member.memberId) {
      this.#lead(nowNs);
    } else {
      this.#follow(nowNs);
    }
    return before === this.#state ? 0 : 1;
  }

  #lead(nowNs: number): void {
    const isLeading = this.#isLeading();
    if (!isLeading && this.#state !== ShutdownState.Ending) {
      this.#giveUp();
      return;
    }
    if (this.#state === ShutdownState.Beginning) {
      this.#begin();
    }
    if (this.#state === ShutdownState.Gathering) {
      this.#gather(nowNs);
    }
    if (this.#state === ShutdownState.Ending) {
      this.#end(nowNs);
    }
    this.#repeat(nowNs);
  }

  /** The last event is appended: where everybody ends is known. */
  #begin(): void {
    const { logPublisher, schedule } = this.#parts;
    if (!schedule.canTake) {
      this.#position = logPublisher.tail();
      this.#state = ShutdownState.Gathering;
    } else if (schedule.servedCount > this.#servedBefore) {
      this.#position = schedule.servedPosition;
      this.#state = ShutdownState.Gathering;
    }
  }

  #gather(nowNs: number): void {
    const { publisher } = this.#parts;
    const missing = this.#others.filter((id) => !this.#acknowledged.has(id));
    const isLate = nowNs >= this.#endNs;
    const isAwaited = missing.some((id) => publisher.isConnected(id));
    // A quorum has the log: that is what commits its end.
    const isCommitted = this.#parts.election.commitPosition() >= this.#position;
    if (this.#isReady() && isCommitted && (isLate || !isAwaited)) {
      if (missing.length > 0) {
        hit(Mark.ShutdownMemberAbsent);
      }
      this.#state = ShutdownState.Ending;
      this.#endNs = nowNs + SHUTDOWN_LEAVE_TIMEOUT_NS;
      this.#nextNs = nowNs;
    }
  }

  #end(nowNs: number): void {
    const { publisher } = this.#parts;
    const isGone = (id: MemberId): boolean =>
      this.#parts.election.peers.isLeaving(id) || !publisher.isConnected(id);
    if (nowNs >= this.#endNs || [...this.#acknowledged].every(isGone)) {
      this.#state = ShutdownState.Ended;
    }
  }

  #repeat(nowNs: number): void {
    if (nowNs < this.#nextNs) {
      return;
    }
    this.#nextNs = nowNs + REPEAT_INTERVAL_NS;
    const { publisher } = this.#parts;
    for (const id of this.#others) {
      if (this.#state === ShutdownState.Gathering && !this.#acknowledged.has(id)) {
        publisher.terminationPosition(id, this.#termId, this.#position);
      } else if (this.#state === ShutdownState.Ending && this.#acknowledged.has(id)) {
        publisher.terminationAck(id, this.#termId, this.#position);
      }
    }
  }

  #follow(nowNs: number): void {
    const { election, publisher } = this.#parts;
    const hasLeft = election.peers.isLeaving(this.#leaderMemberId);
    if (this.#state === ShutdownState.Ending && hasLeft) {
      // It says so when everybody has acknowledged: its word on that was lost.
      this.#state = ShutdownState.Ended;
      return;
    }
    const isFollowing =
      election.leadershipTermId() === this.#termId &&
      election.leaderMemberId() === this.#leaderMemberId;
    if (!isFollowing) {
      this.#giveUp();
      return;
    }
    const isFirst = this.#state === ShutdownState.Gathering;
    if (this.#isReady() && (isFirst || nowNs >= this.#nextNs)) {
      // What is acknowledged is repeated until the leader has said its last word.
      this.#state = ShutdownState.Ending;
      this.#nextNs = nowNs + REPEAT_INTERVAL_NS;
      publisher.terminationAck(this.#leaderMemberId, this.#termId, this.#position);
    } else if (nowNs >= this.#nextNs) {
      this.#nextNs = nowNs + REPEAT_INTERVAL_NS;
    }
  }

  /** The service is there, and the snapshot is complete or will never be. */
  #isReady(): boolean {
    const { schedule, services, taker } = this.#parts;
    const isThere = services.position >= this.#position;
    return isThere && (!schedule.canTake || !taker.isBusy);
  }

  #giveUp(): void {
    hit(Mark.ShutdownGivenUp);
    this.#state = ShutdownState.None;
    this.#position = POSITION_NULL;
    this.#acknowledged.clear();
  }

  #isLeading(): boolean {
    return this.#parts.election.role() === MemberRole.Leader;
  }
}
