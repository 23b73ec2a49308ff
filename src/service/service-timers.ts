// service-timers.ts: the timers of a service, as the log has them.
//
// Which timers are pending follows from applied events alone and is the same on every member. What
// only the leader knows is which of them it has proposed; that ends with its term. A timer fires
// when its event is applied: an event whose timer is not pending any more, or was scheduled anew
// for a later time, is passed over, so a timer fires once whatever leaders proposed.

import type { TimerListener, TimerSource } from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import { type TimerEntry, TimerWheel, timerEntry } from './timer-wheel.js';

/** Timers that may be pending at a time. */
export const TIMER_COUNT_MAX = 8 * 1024 * 1024;

/** A pending timer, as snapshots hold it. */
export type PendingTimer = Pick<TimerEntry, 'correlationId' | 'deadlineMs'>;

/** Pending timers by correlation id. */
export class ServiceTimers implements TimerSource {
  // In the order in which they were scheduled.
  readonly #pending = new Map<number, TimerEntry>();
  readonly #wheel = new TimerWheel();
  // Proposed in this term and not yet applied: in no wheel.
  readonly #proposed = new Set<TimerEntry>();
  readonly #countMax: number;
  #sequence = 0;
  /** Told of everything that changes which timers are pending. */
  listener: TimerListener | undefined;

  /** @param countMax timers that may be pending; equal on all members. */
  constructor(countMax = TIMER_COUNT_MAX) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#pending.size;
  }

  /** In the order in which they were scheduled. */
  values(): IterableIterator<PendingTimer> {
    return this.#pending.values();
  }

  /** As `Cluster.scheduleTimer`. */
  schedule(correlationId: number, deadlineMs: number): boolean {
    checkInteger('correlationId', correlationId);
    checkInteger('deadline', deadlineMs);
    const wasPending = this.#remove(correlationId);
    if (this.#pending.size >= this.#countMax) {
      if (wasPending) {
        this.listener?.onCancelled(correlationId);
      }
      return false;
    }
    const entry = timerEntry(correlationId, deadlineMs, ++this.#sequence);
    this.#pending.set(correlationId, entry);
    this.#wheel.add(entry);
    this.listener?.onScheduled(correlationId, deadlineMs);
    return true;
  }

  /** As `Cluster.cancelTimer`. */
  cancel(correlationId: number): boolean {
    const wasPending = this.#remove(correlationId);
    if (wasPending) {
      this.listener?.onCancelled(correlationId);
    }
    return wasPending;
  }

  #remove(correlationId: number): boolean {
    const entry = this.#pending.get(correlationId);
    if (entry === undefined) {
      return false;
    }
    this.#pending.delete(correlationId);
    if (!this.#proposed.delete(entry)) {
      this.#wheel.remove(entry);
    }
    return true;
  }

  /**
   * The log holds a timer event.
   *
   * @returns whether the timer fires now; it is not pending any more then.
   */
  fire(correlationId: number, timestampMs: number): boolean {
    const entry = this.#pending.get(correlationId);
    return entry !== undefined && entry.deadlineMs <= timestampMs && this.cancel(correlationId);
  }

  /** Log time has come to `timeMs`: keeps the wheel near it, also on a member that only follows. */
  advance(timeMs: number): void {
    this.#wheel.advance(timeMs);
  }

  nextDeadlineMs(): number {
    return this.#wheel.nextDeadlineMs();
  }

  propose(nowMs: number, limit: number, append: (correlationId: number) => boolean): number {
    this.#wheel.advance(nowMs);
    let count = 0;
    for (
      let due = this.#wheel.peekDue(nowMs);
      due !== undefined;
      due = this.#wheel.peekDue(nowMs)
    ) {
      if (count === limit || !append(due.correlationId)) {
        break;
      }
      this.#wheel.remove(due);
      this.#proposed.add(due);
      count++;
    }
    return count;
  }

  forgetProposals(): void {
    for (const entry of this.#proposed) {
      this.#wheel.add(entry);
    }
    this.#proposed.clear();
  }
}

function checkInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new PawlError(
      ErrorCode.ServiceFailed,
      `the ${name} of a timer is ${value}: use an integer between -2^53 and 2^53; a deadline is ` +
        'cluster time in milliseconds, such as cluster.time() + 1000',
    );
  }
}
