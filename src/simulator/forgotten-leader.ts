// forgotten-leader.ts: a leader that sleeps while another one is elected, and wakes among clients
// that have not heard of it either.
//
// What the others had sent it before it fell asleep waits in its sockets, and looks new when it
// wakes: it goes on leading for a while. Whatever it knows is old by then.

import type { Prng } from './prng.js';
import type { NemesisParts, Targets } from './targets.js';

const NS_PER_MS = 1_000_000;
/** Longer than the others wait for it, and shorter than its clients do. */
const SLEEP_MIN_MS = 700;
const SLEEP_MAX_MS = 1_400;
/** Messages of the others arrive in its sleep until it is cut off. */
const CUT_AFTER_MAX_MS = 300;
/** It leads no longer than this when it has woken. */
const ALONE_AFTER_MS = 700;

/** Lets the leader of now sleep; whether it is still cut off when healed is up to `isHealed`. */
export function forgetLeader(
  parts: NemesisParts,
  targets: Targets,
  random: Prng,
  isHealed: () => boolean,
): void {
  const leader = targets.leader();
  if (leader === undefined) {
    return;
  }
  const { clients, cluster, timeline, world } = parts;
  const sleepMs = random.between(SLEEP_MIN_MS, SLEEP_MAX_MS);
  const cutMs = random.between(1, CUT_AFTER_MAX_MS);
  const companions = clients.filter(() => random.chance(1, 2)).map(({ node }) => node);
  const inside = [leader.node, ...companions];
  const members = cluster.members.map(({ node }) => node);
  const outside = [...members, ...clients.map(({ node }) => node)].filter(
    (node) => !inside.includes(node),
  );
  timeline.add(leader.node.name, `sleeps for ${sleepMs} ms, and is cut off after ${cutMs} ms`);
  leader.node.process?.pause(sleepMs * NS_PER_MS);
  const later = (ms: number, act: () => void): void => {
    world.schedule(world.nowNs + ms * NS_PER_MS, undefined, () => {
      if (!isHealed()) {
        act();
      }
    });
  };
  later(cutMs, () => world.network.partition([inside, outside]));
  later(sleepMs + ALONE_AFTER_MS, () => {
    timeline.add('network', 'heals');
    world.network.heal();
  });
}
