// timers.ts: every timer fires once, not early, unless it was cancelled; and none is forgotten.
//
// The services of all members report what each event did to their timers. The first report of a
// position defines it, in the order of the log; that others do the same at the same position is
// seen by their state hashes.

import type { TimeSource } from '../virtual-clock.js';
import type { Judge } from './judge.js';

const NS_PER_MS = 1_000_000;
/** A leader that takes ingress makes a due timer an event within this. */
const LATE_LIMIT_MS = 500;

/** What one event did to one timer. */
export type TimerOperation =
  | { readonly kind: 'scheduled'; readonly id: number; readonly deadlineMs: number }
  | { readonly kind: 'cancelled'; readonly id: number; readonly wasPending: boolean }
  | { readonly kind: 'fired'; readonly id: number };

/** Pending timers as the log has them. */
export class Timers {
  readonly #judge: Judge;
  readonly #world: TimeSource;
  readonly #pending = new Map<number, number>();
  #definedPosition = 0;
  #timestampMs = 0;
  #definedNs = 0;
  /** Timers that fired. */
  firedCount = 0;
  cancelledCount = 0;

  constructor(judge: Judge, world: TimeSource) {
    this.#judge = judge;
    this.#world = world;
  }

  /** A service has handled the event that ends at a position, stamped `timestampMs`. */
  onEvent(position: number, timestampMs: number, operations: readonly TimerOperation[]): void {
    if (position <= this.#definedPosition) {
      return;
    }
    this.#definedPosition = position;
    this.#timestampMs = timestampMs;
    this.#definedNs = this.#world.nowNs;
    for (const operation of operations) {
      this.#apply(operation, position, timestampMs);
    }
  }

  /** Timers that should have fired by now. */
  lateCount(): number {
    const elapsedMs = (this.#world.nowNs - this.#definedNs) / NS_PER_MS;
    const nowMs = this.#timestampMs + elapsedMs - LATE_LIMIT_MS;
    return [...this.#pending.values()].filter((deadlineMs) => deadlineMs < nowMs).length;
  }

  #apply(operation: TimerOperation, position: number, timestampMs: number): void {
    const { id, kind } = operation;
    const deadlineMs = this.#pending.get(id);
    if (kind === 'scheduled') {
      this.#pending.set(id, operation.deadlineMs);
      return;
    }
    this.#pending.delete(id);
    if (kind === 'cancelled') {
      this.cancelledCount++;
      this.#check(
        operation.wasPending === (deadlineMs !== undefined),
        `the service is told that timer ${id}, cancelled at position ${position}, was ` +
          `${operation.wasPending ? '' : 'not '}pending`,
      );
      return;
    }
    this.firedCount++;
    this.#check(
      deadlineMs !== undefined,
      `timer ${id} fires at position ${position} and is not pending: it fired before, or was ` +
        'cancelled',
    );
    this.#check(
      deadlineMs === undefined || deadlineMs <= timestampMs,
      `timer ${id} fires at ${timestampMs}, before its deadline ${deadlineMs}`,
    );
  }

  #check(isTrue: boolean, message: string): void {
    if (!isTrue) {
      this.#judge.report('timers', message);
    }
  }
}
