// global-guard.ts: takes away the globals that would make a run depend on anything but its seed.
//
// Clocks, chance and timers are replaced for the length of a run. While code of a user's service
// runs, clocks and chance give what another machine's would give, another value on each member but
// the same for the same seed, and the place of the call is noted: so what depends on them is seen
// to differ. Everywhere else, and for timers, promises and the network always, the call throws. A
// native async function asks no global: that it made a promise is noted, for whoever ran it.

import { ErrorCode, PawlError } from '../errors.js';
import {
  type GuardedMachine as Clocks,
  GlobalTraps,
  type TrapPolicy,
} from '../service/global-traps.js';

/** The machine on which a user's code is said to run. */
export interface GuardedMachine extends Clocks {
  /** Told what was called, and where. */
  onCall(name: string, place: string): void;
}

/** Installed around a run. One at a time. */
export class GlobalGuard implements TrapPolicy {
  static #installed: GlobalGuard | undefined;
  /** Whose code runs now; undefined for the simulator's own. */
  machine: GuardedMachine | undefined;
  readonly #traps = new GlobalTraps(this);
  #promisePlace: string | undefined;

  /** Whether a guard is in place. */
  static get isInstalled(): boolean {
    return GlobalGuard.#installed !== undefined;
  }

  /** @throws PawlError ARGUMENT_OUT_OF_RANGE when a run is started from within a run. */
  install(): void {
    if (GlobalGuard.#installed !== undefined) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        'a simulated run was started from within another one: start it after the other has ended',
      );
    }
    GlobalGuard.#installed = this;
    this.#traps.install(true);
  }

  /** Puts everything back. */
  remove(): void {
    this.#traps.remove();
    GlobalGuard.#installed = undefined;
  }

  /** Runs code under the guard. */
  run<T>(code: () => T): T {
    this.install();
    try {
      return code();
    } finally {
      this.remove();
    }
  }

  isActive(): boolean {
    return true;
  }

  onRead(name: string, place: string, answer: (machine: Clocks) => unknown): unknown {
    if (this.machine === undefined) {
      throw forbidden(name, place);
    }
    this.machine.onCall(name, place);
    return answer(this.machine);
  }

  onWait(name: string, place: string): never {
    this.machine?.onCall(name, place);
    throw forbidden(name, place);
  }

  onPromise(place: string): void {
    this.#promisePlace ??= place;
  }

  /** Where the first promise was made since the last time; undefined where none was. */
  takePromise(): string | undefined {
    const place = this.#promisePlace;
    this.#promisePlace = undefined;
    return place;
  }
}

/** What is wrong with code that made a promise there. */
export function promiseText(place: string): string {
  return (
    `called an async function, or made a promise in another way, at ${place}: it must have done ` +
    'all its work when it returns, because what it does later has no place in the log'
  );
}

function forbidden(name: string, place: string): PawlError {
  return new PawlError(
    ErrorCode.ServiceFailed,
    `${name} was called within a simulated run, at ${place}: what happens in a run depends on ` +
      'its seed alone. A service takes time from its events and waits with ' +
      'cluster.scheduleTimer(); a workload draws from the stream that it is given',
  );
}
