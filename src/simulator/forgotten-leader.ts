// forgotten-leader.ts: a leader that sleeps while another one is elected, and wakes among clients
// that have not heard of it either.
//
// What the others had sent it before it fell asleep waits in its sockets, and looks new when it
// wakes: it goes on leading for a while. Whatever it knows is old by then.

import type { Prng } from './prng.js';
import { MAIN_THREAD, type SimulatedMember } from './simulated-cluster.js';
import type { NemesisParts, Targets } from './targets.js';
import { directionsBetween } from './virtual-network.js';
import type { VirtualNode } from './virtual-node.js';

const NS_PER_MS = 1_000_000;
/** Longer than the others wait for it, and shorter than its clients do. */
const SLEEP_MIN_MS = 700;
const SLEEP_MAX_MS = 1_400;
/** Messages of the others arrive in its sleep until it is cut off. */
const CUT_AFTER_MAX_MS = 350;
const CUT_AFTER_MIN_MS = 120;
/** By then it has looked around. */
const AWAKE_AFTER_MS = 5;
/** It leads no longer than this when it has woken. */
const ALONE_AFTER_MS = 700;

/** Forgets one leader after the other. */
export class ForgottenLeader {
  readonly #parts: NemesisParts;
  readonly #targets: Targets;
  readonly #random: Prng;
  #untilNs = 0;
  #isHealed = false;

  constructor(parts: NemesisParts, targets: Targets, random: Prng) {
    this.#parts = parts;
    this.#targets = targets;
    this.#random = random;
  }

  heal(): void {
    this.#isHealed = true;
  }

  /** Lets the leader of now sleep, unless one sleeps already. */
  strike(): void {
    const { clients, cluster, timeline, world } = this.#parts;
    const random = this.#random;
    const leader = this.#targets.leader();
    if (leader === undefined || world.nowNs < this.#untilNs) {
      return;
    }
    const sleepMs = random.between(SLEEP_MIN_MS, SLEEP_MAX_MS);
    const cutMs = random.between(CUT_AFTER_MIN_MS, CUT_AFTER_MAX_MS);
    const aloneMs = sleepMs + ALONE_AFTER_MS;
    this.#untilNs = world.nowNs + (aloneMs + 1) * NS_PER_MS;
    const companions = clients.filter(() => random.chance(1, 2)).map(({ node }) => node);
    const inside = [leader.node, ...companions];
    const nodes = [...cluster.members, ...clients].map(({ node }) => node);
    const outside = nodes.filter((node) => !inside.includes(node));
    this.#putToSleep(leader, sleepMs, cutMs);
    // What clients write reaches it when it is awake: a leader that wakes with log that waits for
    // its disk believes that its disk stands still, and gives up.
    const { network } = world;
    const isCompanion = (node: VirtualNode): boolean => companions.includes(node);
    const towards = clients.map(({ node }) => ({ from: node, to: leader.node }));
    const silent = network.cut(towards.filter(({ from }) => isCompanion(from)));
    const cuts = [network.cut(towards.filter(({ from }) => !isCompanion(from)))];
    this.#later(cutMs, () => cuts.push(network.cut(directionsBetween([inside, outside]))));
    this.#later(sleepMs + AWAKE_AFTER_MS, () => silent.lift());
    this.#later(aloneMs, () => {
      timeline.add('network', 'heals: its leader is forgotten');
      for (const cut of cuts) {
        cut.lift();
      }
    });
  }

  /** A long callback or a collection of garbage leaves the recorder awake, a stop does not. */
  #putToSleep({ node }: SimulatedMember, sleepMs: number, cutMs: number): void {
    const isWhole = this.#random.chance(1, 4);
    const what = isWhole ? 'sleeps' : 'sleeps in its main thread';
    const text = `${what} for ${sleepMs} ms, and is cut off after ${cutMs} ms`;
    this.#parts.timeline.add(node.name, text);
    if (isWhole) {
      node.process?.pause(sleepMs * NS_PER_MS);
    } else {
      const main = node.process?.threads.find(({ name }) => name === MAIN_THREAD);
      main?.stall(sleepMs * NS_PER_MS);
    }
  }

  #later(ms: number, act: () => void): void {
    const { world } = this.#parts;
    world.schedule(world.nowNs + ms * NS_PER_MS, undefined, () => {
      if (!this.#isHealed) {
        act();
      }
    });
  }
}
