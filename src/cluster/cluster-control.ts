// cluster-control.ts: whether the cluster takes what clients send, by an operator's order.
//
// Suspended is replicated state: an event of the log says so, every member applies it, snapshots
// hold it, and each new leader goes by it until another event resumes. While it holds, clients wait
// in their streams, no session is opened or times out, and no timer fires: those that become due
// fire after the resumption, in their order. The log itself, its commits, snapshots and elections
// go on.

import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';
import type { LogPublisher } from './log-publisher.js';

/** What becomes of an order. */
export const ControlResult = {
  Ordered: 0,
  /** This member does not lead, or is not ready yet. */
  NotLeader: -1,
  /** The cluster is as it is ordered to be. */
  AlreadySo: -2,
  /** Another order is being carried out. */
  UnderWay: -3,
} as const;
export type ControlResult = (typeof ControlResult)[keyof typeof ControlResult];

/** An order that makes an event of the log. */
export type SuspensionAction = typeof ClusterAction.Suspend | typeof ClusterAction.Resume;

/** Suspension and resumption, on every member; orders are the leader's. */
export class ClusterControl {
  readonly #log: LogPublisher;
  #isSuspended = false;
  #position: Position = 0;
  #hasResumed = false;
  #leadershipTermId = -1;
  #order: SuspensionAction | undefined;
  // Position after an event of this term that is not applied yet.
  #appended: Position = 0;

  constructor(log: LogPublisher) {
    this.#log = log;
  }

  /** Whether the log, as far as it is applied, says so. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** Position after the event that made it so; 0 when none did since this member started. */
  get position(): Position {
    return this.#position;
  }

  /** Whether a leader holds back what clients send. */
  get isHeld(): boolean {
    return this.#isSuspended || this.#order !== undefined || this.#appended > 0;
  }

  /** Ingress opens in a term. */
  startTerm(leadershipTermId: number): void {
    this.#leadershipTermId = leadershipTermId;
    this.#hasResumed = false;
    if (this.#isSuspended) {
      hit(Mark.ControlSuspendedByEarlierLeader);
    }
  }

  /** What was ordered and is not in the log for certain is given up with the term. */
  endTerm(): void {
    if (this.#order !== undefined || this.#appended > 0) {
      hit(Mark.ControlOrderLost);
    }
    this.#leadershipTermId = -1;
    this.#order = undefined;
    this.#appended = 0;
  }

  order(action: SuspensionAction): ControlResult {
    if (this.#leadershipTermId < 0) {
      return ControlResult.NotLeader;
    }
    if (this.#order !== undefined || this.#appended > 0) {
      return ControlResult.UnderWay;
    }
    if (this.#isSuspended === (action === ClusterAction.Suspend)) {
      return ControlResult.AlreadySo;
    }
    this.#order = action;
    return ControlResult.Ordered;
  }

  /** Appends what is ordered. Only while ingress is open. Returns how many events. */
  doWork(nowMs: number): number {
    const action = this.#order;
    if (action === undefined) {
      return 0;
    }
    const end = this.#log.appendClusterAction(this.#leadershipTermId, nowMs, action);
    if (end < 0) {
      return 0;
    }
    this.#order = undefined;
    this.#appended = end;
    return 1;
  }

  /** An event of the log is applied. */
  onEvent(action: number, position: Position): void {
    if (action !== ClusterAction.Suspend && action !== ClusterAction.Resume) {
      return;
    }
    const isSuspended = action === ClusterAction.Suspend;
    if (isSuspended) {
      hit(Mark.ControlSuspended);
    }
    this.#hasResumed ||= this.#isSuspended && !isSuspended;
    this.#isSuspended = isSuspended;
    this.#position = position;
    if (position >= this.#appended) {
      this.#appended = 0;
    }
  }

  /** A snapshot says that the cluster was suspended. */
  restore(): void {
    this.#isSuspended = true;
  }

  /** Whether the cluster has resumed since the last call. */
  takeResumed(): boolean {
    const hasResumed = this.#hasResumed;
    this.#hasResumed = false;
    return hasResumed;
  }
}
