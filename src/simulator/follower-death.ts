// follower-death.ts: how long commits stand still when a follower dies.
//
// A leader waits for a quorum and never for one member: neither the dead one's acknowledgements nor
// its window may hold up the others. Time counts only while something waits to be committed.

import type { Judge } from './invariants/judge.js';
import type { Nemesis } from './nemesis.js';
import type { SimulatedMember } from './simulated-cluster.js';
import type { NemesisParts } from './targets.js';

const NS_PER_MS = 1_000_000;
const SAMPLE_INTERVAL_NS = 2 * NS_PER_MS;
/** Longest time for which nothing is committed while something waits for it. */
export const COMMIT_GAP_LIMIT_NS = 250 * NS_PER_MS;

/** What the watch needs. */
export interface FollowerDeathParts extends NemesisParts {
  readonly judge: Judge;
  readonly nemesis: Nemesis;
}

/** Kills a follower and watches its leader. */
export class FollowerDeath {
  /** Without the dead one there is still a quorum. */
  static readonly MEMBER_COUNT_MIN = 3;
  /** Longer than any timeout by which a leader would notice. */
  static readonly DURATION_NS = 2_000 * NS_PER_MS;
  readonly #parts: FollowerDeathParts;
  readonly #leader: SimulatedMember;
  readonly #follower: SimulatedMember;
  #isOver = false;
  #commitPosition = 0;
  #progressNs: number;
  #longestGapNs = 0;

  constructor(parts: FollowerDeathParts, leader: SimulatedMember, follower: SimulatedMember) {
    this.#parts = parts;
    this.#leader = leader;
    this.#follower = follower;
    this.#progressNs = parts.world.nowNs;
    parts.timeline.add(follower.node.name, 'is killed, to see whether commits go on');
    parts.nemesis.kill(follower);
    this.#sample();
  }

  /** Stops watching. */
  end(): void {
    this.#isOver = true;
    const { judge } = this.#parts;
    const who = `follower ${this.#follower.memberId}`;
    if (this.#longestGapNs > COMMIT_GAP_LIMIT_NS) {
      judge.report(
        'commit gap',
        `${who} died, and nothing was committed for ${this.#longestGapNs / NS_PER_MS} ms: the ` +
          `limit is ${COMMIT_GAP_LIMIT_NS / NS_PER_MS} ms`,
      );
    }
    if (this.#leader.member?.status().isIngressOpen !== true) {
      judge.report('commit gap', `${who} died, and leader ${this.#leader.memberId} leads no more`);
    }
  }

  #sample(): void {
    const { world } = this.#parts;
    const status = this.#leader.member?.status();
    if (this.#isOver || status === undefined) {
      return;
    }
    const { appendPosition, commitPosition } = status;
    if (commitPosition > this.#commitPosition || commitPosition >= appendPosition) {
      this.#commitPosition = commitPosition;
      this.#progressNs = world.nowNs;
    }
    this.#longestGapNs = Math.max(this.#longestGapNs, world.nowNs - this.#progressNs);
    world.schedule(world.nowNs + SAMPLE_INTERVAL_NS, undefined, () => this.#sample());
  }
}
