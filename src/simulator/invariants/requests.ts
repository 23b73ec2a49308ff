// requests.ts: I-12 for exactly-once requests: executed once, answered with that execution, and
// never without an outcome by the deadline.
//
// The services of all members report each request that they execute. The first report of a position
// defines it; that others do the same there is seen by their state hashes. A request that was
// executed at two positions of the log was executed twice.

import { REPLY_LIMITS } from '../../service/reply-cache.js';
import type { TimeSource } from '../virtual-clock.js';
import type { Judge } from './judge.js';

/** A requester may be late with what it reports by a turn, or by a pause of its process. */
const LATE_LIMIT_NS = 1_000_000_000;

/** A request as a service executed it. */
export interface ExecutedRequest {
  /** Number of the requester. */
  readonly requester: number;
  /** Its request, from 1 on. */
  readonly sequence: number;
  /** Number in the order of all requests, from 1. */
  readonly order: number;
}

interface OpenRequest {
  readonly deadlineNs: number;
  /** Log time of its requester's last execution, or of the log, when it was made. */
  readonly lastExecutedMs: number;
}

/** Requests that were made, executed and answered. */
export class Requests {
  readonly #judge: Judge;
  readonly #time: TimeSource;
  readonly #executed = new Map<string, { readonly position: number; readonly order: number }>();
  readonly #open = new Map<string, OpenRequest>();
  readonly #logTimeMs: () => number;
  /** Log time at which a request of each requester was executed last. */
  readonly #lastExecutedMs = new Map<number, number>();
  #definedPosition = 0;
  #answeredCount = 0;
  #unknownCount = 0;

  /** @param logTimeMs the greatest time of the log that any service has been given. */
  constructor(judge: Judge, time: TimeSource, logTimeMs: () => number) {
    this.#judge = judge;
    this.#time = time;
    this.#logTimeMs = logTimeMs;
  }

  get executedCount(): number {
    return this.#executed.size;
  }

  get answeredCount(): number {
    return this.#answeredCount;
  }

  /** Requests whose outcome was reported as unknown. */
  get unknownCount(): number {
    return this.#unknownCount;
  }

  /** A service has executed the request that ends at a position. */
  onExecuted({ order, requester, sequence }: ExecutedRequest, position: number): void {
    if (position <= this.#definedPosition) {
      return;
    }
    this.#definedPosition = position;
    const key = keyOf(requester, sequence);
    const before = this.#executed.get(key);
    if (before !== undefined) {
      this.#judge.report(
        'I-12',
        `request ${key} is executed at position ${position}, and was at ${before.position}`,
      );
    }
    this.#executed.set(key, { position, order });
    this.#lastExecutedMs.set(requester, this.#logTimeMs());
  }

  /** A requester makes a request, whose outcome it is to have by then. */
  onMade(requester: number, sequence: number, deadlineNs: number): void {
    const lastExecutedMs = this.#lastExecutedMs.get(requester) ?? this.#logTimeMs();
    this.#open.set(keyOf(requester, sequence), { deadlineNs, lastExecutedMs });
  }

  onAnswer({ order, requester, sequence }: ExecutedRequest, position: number): void {
    const key = keyOf(requester, sequence);
    const executed = this.#executed.get(key);
    this.#end(key);
    this.#answeredCount++;
    if (executed?.position !== position || executed.order !== order) {
      const found =
        executed === undefined
          ? 'nowhere'
          : `at position ${executed.position} as number ${executed.order}`;
      this.#judge.report(
        'I-12',
        `request ${key} is answered as number ${order} at position ${position}, and was executed ` +
          found,
      );
    }
  }

  /** A requester is told that its request has no answer. */
  onFailed(requester: number, sequence: number, code: string): void {
    const key = keyOf(requester, sequence);
    const request = this.#open.get(key);
    this.#end(key);
    if (code === 'OUTCOME_UNKNOWN') {
      this.#unknownCount++;
    } else if (code !== 'TIMEOUT') {
      if (code !== 'REPLY_DROPPED' || !this.#mayBeForgotten(request)) {
        this.#judge.report('I-12', `request ${key} ends in ${code}`);
      }
    } else if (this.#executed.has(key)) {
      this.#judge.report('I-12', `request ${key} was executed, and its client never sent it`);
    }
  }

  /** The run goes on: whoever waits for an outcome beyond its deadline waits for ever. */
  check(): void {
    for (const [key, { deadlineNs }] of this.#open) {
      if (this.#time.nowNs > deadlineNs + LATE_LIMIT_NS) {
        this.#judge.report('I-12', `request ${key} has no outcome by its deadline`);
        this.#open.delete(key);
      }
    }
  }

  /** A wall clock that jumps may take log time past what is retained for a client. */
  #mayBeForgotten(request: OpenRequest | undefined): boolean {
    const ageMs = this.#logTimeMs() - (request?.lastExecutedMs ?? this.#logTimeMs());
    return ageMs >= REPLY_LIMITS.clientAgeMaxMs;
  }

  #end(key: string): void {
    if (!this.#open.delete(key)) {
      this.#judge.report('I-12', `request ${key} has a second outcome`);
    }
  }
}

function keyOf(requester: number, sequence: number): string {
  return `${requester}:${sequence}`;
}
