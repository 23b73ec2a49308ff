// network-faults.ts: partitions of all shapes, and links that flap.

import type { Prng } from './prng.js';
import type { NemesisParts, Targets } from './targets.js';
import type { VirtualNode } from './virtual-node.js';

const NS_PER_MS = 1_000_000;

/** Blocks links, for a while. */
export class NetworkFaults {
  readonly #parts: NemesisParts;
  readonly #targets: Targets;
  readonly #random: Prng;
  #isHealed = false;

  constructor(parts: NemesisParts, targets: Targets, random: Prng) {
    this.#parts = parts;
    this.#targets = targets;
    this.#random = random;
  }

  /** Unblocks everything for good. */
  heal(): void {
    this.#isHealed = true;
    this.#parts.world.network.heal();
  }

  /** Splits the nodes in two; sometimes one node still hears both sides. */
  partition(): void {
    const { world } = this.#parts;
    const [left, right] = this.#random.chance(1, 2) ? this.#splitLeader() : this.#splitAll();
    const isBridged = this.#random.chance(1, 4) && right.length > 1;
    const bridge = isBridged ? (right.pop() as VirtualNode) : undefined;
    const names = (group: readonly VirtualNode[]): string =>
      group.map((node) => node.name).join(', ');
    const bridged = bridge === undefined ? '' : `, bridged by ${bridge.name}`;
    this.#parts.timeline.add('network', `splits: ${names(left)} | ${names(right)}${bridged}`);
    world.network.partition([left, right]);
    this.#healLater();
  }

  /** The leader with the clients and a minority against the others: what it appends is lost. */
  #splitLeader(): [VirtualNode[], VirtualNode[]] {
    const { clients, cluster } = this.#parts;
    const leader = this.#targets.leader() ?? this.#targets.pickMember();
    const others = this.#random.shuffle(cluster.members.filter((member) => member !== leader));
    const companionMax = Math.floor((cluster.members.length - 1) / 2);
    const companions = others.splice(0, this.#random.below(companionMax + 1));
    const left = [leader, ...companions].map((member) => member.node);
    const right = others.map((member) => member.node);
    for (const { node } of clients) {
      (this.#random.chance(3, 4) ? left : right).push(node);
    }
    return [left, right];
  }

  #splitAll(): [VirtualNode[], VirtualNode[]] {
    const nodes = this.#random.shuffle(this.#targets.nodes());
    const cut = this.#random.chance(1, 2) ? 1 : this.#random.between(1, nodes.length - 1);
    return [nodes.slice(0, cut), nodes.slice(cut)];
  }

  /** Some directions between one node and others go dead. */
  oneWay(): void {
    const { world } = this.#parts;
    const nodes = this.#targets.nodes();
    const from = this.#random.pick(nodes);
    const others = nodes.filter((node) => node !== from && this.#random.chance(2, 3));
    const isDeaf = this.#random.chance(1, 2);
    this.#say(from, isDeaf ? 'does not hear some' : 'is not heard by some');
    for (const other of others) {
      world.network.block(isDeaf ? other : from, isDeaf ? from : other);
    }
    this.#healLater();
  }

  /** A link goes down and up again and again. */
  flap(): void {
    const { world } = this.#parts;
    const nodes = this.#random.shuffle(this.#targets.nodes());
    const [left, right] = nodes;
    if (left === undefined || right === undefined) {
      return;
    }
    const periodNs = this.#drawNs(20, 300);
    const endNs = world.nowNs + this.#drawNs(500, 3_000);
    this.#say(left, `its link with ${right.name} flaps`);
    const toggle = (isBlocked: boolean): void => {
      if (this.#isHealed || world.nowNs >= endNs) {
        world.network.unblock(left, right);
        world.network.unblock(right, left);
        return;
      }
      if (isBlocked) {
        world.network.block(left, right);
        world.network.block(right, left);
      } else {
        world.network.unblock(left, right);
        world.network.unblock(right, left);
      }
      world.schedule(world.nowNs + periodNs, undefined, () => toggle(!isBlocked));
    };
    toggle(true);
  }

  #healLater(): void {
    const { timeline, world } = this.#parts;
    world.schedule(world.nowNs + this.#drawNs(50, 4_000), undefined, () => {
      timeline.add('network', 'heals');
      world.network.heal();
    });
  }

  #drawNs(minMs: number, maxMs: number): number {
    return this.#random.between(minMs, maxMs) * NS_PER_MS;
  }

  #say(node: VirtualNode, what: string): void {
    this.#parts.timeline.add(node.name, what);
  }
}
