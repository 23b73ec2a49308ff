// service-stalls.ts: callbacks that take long, where services have threads of their own.
//
// That is what the threads are for, so it happens all through such a run, and with a stream of
// chance of its own: other runs do not change with it.

import type { Prng } from './prng.js';
import { SERVICE_THREAD, type SimulatedMember } from './simulated-cluster.js';
import type { NemesisParts } from './targets.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** Between two stalls of a member's service at most. */
const INTERVAL_MS_MAX = 3_000;
/** Longer than a follower waits for its leader by default. */
const STALL_MS_MAX = 2_000;

/** Stalls the service threads of some members until healed. */
export class ServiceStalls {
  readonly #world: World;
  readonly #members: readonly SimulatedMember[];
  readonly #random: Prng;
  #isHealed = false;
  readonly #counts: { serviceStalls: number };

  /** @param counts where the stalls of services that ran are counted. */
  constructor(parts: NemesisParts, counts: { serviceStalls: number }) {
    this.#world = parts.world;
    this.#members = parts.cluster.members;
    this.#counts = counts;
    this.#random = parts.world.random.fork('service stalls');
  }

  begin(): void {
    for (const member of this.#members) {
      this.#stallLater(member);
    }
  }

  heal(): void {
    this.#isHealed = true;
  }

  #stallLater(member: SimulatedMember): void {
    const { timeMs, stallMs } = this.#draw();
    const world = this.#world;
    world.schedule(world.nowNs + timeMs * NS_PER_MS, undefined, () => {
      if (this.#isHealed) {
        return;
      }
      const threads = member.node.process?.threads ?? [];
      const thread = threads.find((one) => one.name === SERVICE_THREAD);
      if (thread !== undefined) {
        this.#counts.serviceStalls++;
        thread.stall(stallMs * NS_PER_MS);
      }
      this.#stallLater(member);
    });
  }

  #draw(): { timeMs: number; stallMs: number } {
    const random = this.#random;
    const stallMs = random.pick([5, 50, 500, STALL_MS_MAX]);
    return { timeMs: random.between(1, INTERVAL_MS_MAX), stallMs: random.between(1, stallMs) };
  }
}
