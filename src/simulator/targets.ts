// targets.ts: whom the nemesis strikes.

import { MemberRole } from '../consensus/election-state.js';
import type { Intruder } from './intruder.js';
import type { Prng } from './prng.js';
import type { SimulatedRequester } from './request-workload.js';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.js';
import type { Swarm } from './swarm.js';
import type { Timeline } from './timeline.js';
import type { VirtualNode } from './virtual-node.js';
import type { SimulatedClient } from './workload.js';
import type { World } from './world.js';

/** What the nemesis acts on. */
export interface NemesisParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly clients: readonly SimulatedClient[];
  readonly requesters: readonly SimulatedRequester[];
  readonly intruders: readonly Intruder[];
  readonly swarm: Swarm;
  readonly timeline: Timeline;
  /** End of what is known to be committed. */
  readonly committedEnd: () => number;
  /** Numbers of the faults that strike; all when undefined. */
  readonly onlyFaults?: readonly number[] | undefined;
}

/** Picks members and nodes. */
export class Targets {
  readonly #parts: NemesisParts;
  readonly #random: Prng;

  constructor(parts: NemesisParts, random: Prng) {
    this.#parts = parts;
    this.#random = random;
  }

  /** Machines of members and clients. */
  nodes(): VirtualNode[] {
    const members = this.#parts.cluster.members.map((member) => member.node);
    return [...members, ...this.#parts.clients.map((client) => client.node)];
  }

  /** The leader more often than others: what befalls it matters most. */
  pickMember(): SimulatedMember {
    const { members } = this.#parts.cluster;
    const leader = this.leader();
    return leader !== undefined && this.#random.chance(1, 3) ? leader : this.#random.pick(members);
  }

  /** A member's machine mostly, or a client's. */
  pickNode(): VirtualNode {
    return this.#random.chance(7, 8) ? this.pickMember().node : this.#random.pick(this.nodes());
  }

  leader(): SimulatedMember | undefined {
    return this.#parts.cluster.members.find(
      ({ member }) => member?.observe()?.election.role() === MemberRole.Leader,
    );
  }
}
