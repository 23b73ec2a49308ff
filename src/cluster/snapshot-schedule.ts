// snapshot-schedule.ts: when a leader makes a snapshot an event of the log.
//
// On request, after so many bytes of log, or after so much time. Every member takes its snapshot at
// the event, so only the leader has to decide.

import type { Position } from '../position.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LogPublisher } from './log-publisher.js';

/** What the schedule looks at. */
export interface SnapshotState {
  /** Whether the services take snapshots. */
  canTake(): boolean;
  /** Whether this member still writes the last one. */
  isBusy(): boolean;
}

/** Decides while this member leads. */
export class SnapshotSchedule {
  readonly #config: ClusterConfig;
  readonly #log: LogPublisher;
  readonly #state: SnapshotState;
  #leadershipTermId = -1;
  #isRequested = false;
  // The last snapshot event that was applied here, or the snapshot that the member started from.
  #lastPosition: Position;
  #lastMs: number;
  // End of an event that is appended and not yet applied.
  #pendingPosition: Position = 0;

  constructor(
    config: ClusterConfig,
    log: LogPublisher,
    state: SnapshotState,
    lastPosition: Position,
    lastMs: number,
  ) {
    this.#config = config;
    this.#log = log;
    this.#state = state;
    this.#lastPosition = lastPosition;
    this.#lastMs = lastMs;
  }

  /** Whether the service takes snapshots. */
  get canTake(): boolean {
    return this.#state.canTake();
  }

  /** Events that were appended because somebody asked, by this member. */
  servedCount = 0;
  /** Position after the last of them. */
  servedPosition: Position = 0;

  /** Somebody wants a snapshot: it is taken when this member leads. */
  request(): void {
    this.#isRequested = true;
  }

  /** Ingress opens in a term. */
  startTerm(leadershipTermId: number, nowMs: number): void {
    this.#leadershipTermId = leadershipTermId;
    this.#pendingPosition = 0;
    this.#lastMs = this.#lastMs === 0 ? nowMs : this.#lastMs;
  }

  /** A snapshot event was applied. */
  onEvent(logPosition: Position, timestampMs: number): void {
    this.#lastPosition = logPosition;
    this.#lastMs = timestampMs;
  }

  /** Appends the event when it is due. Only while ingress is open. Returns how many events. */
  doWork(nowMs: number, appliedPosition: Position): number {
    if (appliedPosition < this.#pendingPosition || !this.#isDue(nowMs, appliedPosition)) {
      return 0;
    }
    const action = ClusterAction.Snapshot;
    const end = this.#log.appendClusterAction(this.#leadershipTermId, nowMs, action);
    if (end < 0) {
      return 0;
    }
    if (this.#isRequested) {
      this.#isRequested = false;
      this.servedCount++;
      this.servedPosition = end;
    }
    this.#pendingPosition = end;
    return 1;
  }

  #isDue(nowMs: number, appliedPosition: Position): boolean {
    const { snapshotIntervalLength, snapshotIntervalMs } = this.#config.member;
    const isWanted =
      this.#isRequested ||
      (snapshotIntervalLength > 0 &&
        appliedPosition - this.#lastPosition >= snapshotIntervalLength) ||
      (snapshotIntervalMs > 0 &&
        nowMs - this.#lastMs >= snapshotIntervalMs &&
        appliedPosition > this.#lastPosition);
    return isWanted && !this.#state.isBusy() && this.#state.canTake();
  }
}
