// callback-guard.ts: while a service handles an event of the log, clocks, chance, timers and the
// network throw, and the error says what to use instead.
//
// For development. The globals of the process are replaced while a guarded member runs; outside
// callbacks they do what they always did, only slower. A function that the service kept before the
// member was made is not seen.

import { ErrorCode, PawlError } from '../errors.js';
import { GlobalTraps, type TrapPolicy } from '../service/global-traps.js';
import type { CallbackGuard } from '../service/guarded-service.js';

const TIME_REMEDY =
  "take the time from the event's timestamp, or from cluster.time(): it is the same on all members";
const CHANCE_REMEDY =
  'have the client send what chance decides, or derive it from the log, such as from ' +
  'cluster.logPosition()';
const TIMER_REMEDY = 'use cluster.scheduleTimer(): it becomes an event of the log on all members';
const PROMISE_REMEDY =
  'do all work before the callback returns; what has to wait is a message or a timer of the log';
const NETWORK_REMEDY =
  'have a client do it and send what came of it: every member would do it, and get another answer';

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^(?:new )?Date|^performance|^process\.hrtime/, TIME_REMEDY],
  [/^Math\.random|^crypto/, CHANCE_REMEDY],
  [/Timeout|Interval|Immediate|Microtask|nextTick/, TIMER_REMEDY],
  [/Promise|fromAsync/, PROMISE_REMEDY],
];

/** One for all members of this thread. */
class ProcessGuard implements TrapPolicy, CallbackGuard {
  readonly #traps = new GlobalTraps(this);
  #userCount = 0;
  #callback = '';

  /** A member that is guarded begins. */
  acquire(): void {
    if (this.#userCount++ === 0) {
      this.#traps.install(true);
    }
  }

  /** A member that was guarded has ended. */
  release(): void {
    if (--this.#userCount === 0) {
      this.#traps.remove();
    }
  }

  enter(callback: string): void {
    this.#callback = callback;
  }

  leave(): void {
    this.#callback = '';
  }

  isActive(): boolean {
    return this.#callback !== '';
  }

  onRead(name: string, place: string): never {
    throw this.#forbidden(name, place);
  }

  onWait(name: string, place: string): never {
    throw this.#forbidden(name, place);
  }

  #forbidden(name: string, place: string): PawlError {
    const remedy = REMEDIES.find(([names]) => names.test(name))?.[1] ?? NETWORK_REMEDY;
    return new PawlError(
      ErrorCode.ServiceFailed,
      `${name} was called inside ${this.#callback}, at ${place}: ${remedy}`,
    );
  }
}

/** The guard of this thread. */
export const processGuard = new ProcessGuard();
