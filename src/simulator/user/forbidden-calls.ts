// forbidden-calls.ts: which clocks and dice a user's service used, where, and when.

import type { GuardedMachine } from '../global-guard.js';
import type { Prng } from '../prng.js';
import { WALL_START_MS } from '../virtual-clock.js';
import type { World } from '../world.js';

const NS_PER_MS = 1_000_000;
/** Clocks of well-kept machines differ by this much. */
const CLOCK_DIFFERENCE_MAX_MS = 50;
/** A replay happens later: after a restart, or on a member that was added. */
const REPLAY_DELAY_MS = 3_600_000;

/** One place that calls one of them. */
export interface ForbiddenCall {
  /** Such as `Date.now()`. */
  readonly name: string;
  /** File, line and column. */
  readonly place: string;
  count: number;
}

/** The calls of one run. */
export class ForbiddenCalls {
  readonly #calls = new Map<string, ForbiddenCall>();
  readonly #positions = new Map<string, Set<number>>();

  add(name: string, place: string, position: number): void {
    const key = `${name} at ${place}`;
    const call = this.#calls.get(key) ?? { name, place, count: 0 };
    const positions = this.#positions.get(key) ?? new Set<number>();
    call.count++;
    positions.add(position);
    this.#calls.set(key, call);
    this.#positions.set(key, positions);
  }

  all(): ForbiddenCall[] {
    return [...this.#calls.values()];
  }

  /** Calls made while the events after `fromPosition`, up to `toPosition`, were handled. */
  between(fromPosition: number, toPosition: number): ForbiddenCall[] {
    const isBetween = (position: number): boolean =>
      position > fromPosition && position <= toPosition;
    return [...this.#calls]
      .filter(([key]) => [...(this.#positions.get(key) ?? [])].some(isBetween))
      .map(([, call]) => call);
  }
}

/** The machine that an instance of the service believes to be on. */
export class UserMachine implements GuardedMachine {
  readonly #world: World;
  readonly #memberId: number | undefined;
  readonly #calls: ForbiddenCalls;
  readonly #random: Prng;
  readonly #startNs: number;
  readonly #differenceMs: number;
  /** Log position of the event that is being handled. */
  position = 0;

  /** @param memberId undefined for a replay outside the cluster. */
  constructor(world: World, memberId: number | undefined, instance: number, calls: ForbiddenCalls) {
    this.#world = world;
    this.#memberId = memberId;
    this.#calls = calls;
    this.#random = world.random.fork(`instance ${instance}`);
    this.#startNs = world.nowNs;
    this.#differenceMs = this.#random.between(-CLOCK_DIFFERENCE_MAX_MS, CLOCK_DIFFERENCE_MAX_MS);
  }

  wallMs(): number {
    const node = this.#memberId === undefined ? undefined : this.#world.nodes[this.#memberId];
    const replayMs = WALL_START_MS + Math.floor(this.#world.nowNs / NS_PER_MS) + REPLAY_DELAY_MS;
    return (node?.oscillator.wallMs() ?? replayMs) + this.#differenceMs;
  }

  elapsedNs(): number {
    return this.#world.nowNs - this.#startNs;
  }

  nextUint32(): number {
    return this.#random.nextUint32();
  }

  onCall(name: string, place: string): void {
    this.#calls.add(name, place, this.position);
  }
}
