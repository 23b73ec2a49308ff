// network-faults.ts: partitions of all shapes, links that flap, and links that are slow or narrow.

import { uniformDelay } from './delay.js';
import { clientCut, drawPartition, type Partition, type Population } from './partition-shapes.js';
import type { Prng } from './prng.js';
import type { NemesisParts, Targets } from './targets.js';
import type { LinkOptions } from './virtual-link.js';
import type { Cut } from './virtual-network.js';
import type { VirtualNode } from './virtual-node.js';

const NS_PER_MS = 1_000_000;
/** Data of a message does not fit, and heartbeats do. */
const NARROW_DATAGRAM_LENGTH = 200;
const SLOW_LINKS_BYTES_PER_SECOND = [20_000, 125_000, 1_250_000];
const SLOW_QUEUE_LENGTH = 64 * 1024;

/** Draws how long the fault that strikes now lasts. */
export type DrawDuration = (minMs: number, maxMs: number) => number;

/** Blocks and spoils links, for a while. */
export class NetworkFaults {
  readonly #parts: NemesisParts;
  readonly #targets: Targets;
  readonly #random: Prng;
  readonly #drawNs: DrawDuration;
  #isHealed = false;

  constructor(parts: NemesisParts, targets: Targets, random: Prng, drawNs: DrawDuration) {
    this.#parts = parts;
    this.#targets = targets;
    this.#random = random;
    this.#drawNs = drawNs;
  }

  /** Unblocks everything for good. */
  heal(): void {
    this.#isHealed = true;
    this.#parts.world.network.heal();
  }

  /** Splits the nodes in one of the shapes. */
  partition(): void {
    this.#impose(drawPartition(this.#population(), this.#random));
  }

  /** The leader and the clients do not reach each other, and all else is well. */
  cutClients(): void {
    this.#impose(clientCut(this.#population()));
  }

  /** Some directions between one node and others go dead. */
  oneWay(): void {
    const nodes = this.#targets.nodes();
    const node = this.#random.pick(nodes);
    const others = nodes.filter((other) => other !== node && this.#random.chance(2, 3));
    const isDeaf = this.#random.chance(1, 2);
    this.#impose({
      name: `${node.name} ${isDeaf ? 'does not hear some' : 'is not heard by some'}`,
      dead: others.map((other) => (isDeaf ? { from: other, to: node } : { from: node, to: other })),
    });
  }

  /** A link goes down and up again and again. */
  flap(): void {
    const { network } = this.#parts.world;
    const [left, right] = this.#random.shuffle(this.#targets.nodes());
    if (left === undefined || right === undefined) {
      return;
    }
    const isOneWay = this.#random.chance(1, 3);
    this.#say(left, `its link with ${right.name} flaps${isOneWay ? ' one way' : ''}`);
    const there = { from: left, to: right };
    const directions = isOneWay ? [there] : [there, { from: right, to: left }];
    let cut: Cut | undefined;
    this.#alternate((isDown) => {
      cut?.lift();
      cut = isDown ? network.cut(directions) : undefined;
    });
  }

  /** Calls with true and false in turn, the last time with false. */
  #alternate(toggle: (isDown: boolean) => void): void {
    const { world } = this.#parts;
    const periodNs = this.#drawNs(20, 300);
    const endNs = world.nowNs + this.#drawNs(500, 6_000);
    const turn = (isDown: boolean): void => {
      if (this.#isHealed) {
        return;
      }
      const isOver = world.nowNs >= endNs;
      toggle(isDown && !isOver);
      if (!isOver) {
        world.schedule(world.nowNs + periodNs, undefined, () => turn(!isDown));
      }
    };
    turn(true);
  }

  /** Links of one node carry little: what comes faster waits, and then is dropped. */
  slowDown(): void {
    const node = this.#random.pick(this.#targets.nodes());
    const bandwidth = this.#random.pick(SLOW_LINKS_BYTES_PER_SECOND);
    this.#say(node, `its links carry ${bandwidth} bytes a second`);
    this.#spoil(node, {
      bandwidthBytesPerSecond: bandwidth,
      queueLengthMax: SLOW_QUEUE_LENGTH,
    });
  }

  /** Long datagrams to and from a node vanish, as on a path with a smaller MTU. */
  narrow(): void {
    const node = this.#random.pick(this.#targets.nodes());
    this.#say(node, `loses datagrams of more than ${NARROW_DATAGRAM_LENGTH} bytes`);
    this.#spoil(node, { datagramLengthMax: NARROW_DATAGRAM_LENGTH });
  }

  /** Everything to and from a node takes long, some of it seconds. */
  lag(): void {
    const node = this.#random.pick(this.#targets.nodes());
    const maxMs = this.#random.pick([50, 300, 1_500]);
    this.#say(node, `its links take up to ${maxMs} ms`);
    this.#spoil(node, { delay: uniformDelay(0, maxMs * NS_PER_MS) });
  }

  #spoil(node: VirtualNode, spoiled: Partial<LinkOptions>): void {
    const { swarm, timeline, world } = this.#parts;
    const others = this.#targets.nodes().filter((other) => other !== node);
    const links = others.flatMap((other) => [
      { from: node, to: other },
      { from: other, to: node },
    ]);
    for (const { from, to } of links) {
      world.network.setLink(from, to, spoiled);
    }
    world.schedule(world.nowNs + this.#drawNs(200, 6_000), undefined, () => {
      if (!this.#isHealed) {
        timeline.add(node.name, 'its links are as before');
        for (const { from, to } of links) {
          world.network.setLink(from, to, restored(swarm.link, spoiled));
        }
      }
    });
  }

  #population(): Population {
    const { clients, cluster } = this.#parts;
    return {
      members: cluster.members.map((member) => member.node),
      clients: clients.map((client) => client.node),
      leader: (this.#targets.leader() ?? this.#targets.pickMember()).node,
    };
  }

  #impose(partition: Partition): void {
    const { timeline, world } = this.#parts;
    const pairs = partition.dead.map(({ from, to }) => `${from.name} > ${to.name}`);
    timeline.add('network', `splits, ${partition.name}: ${pairs.join(', ')}`);
    const cut = world.network.cut(partition.dead);
    world.schedule(world.nowNs + this.#drawNs(50, 4_000), undefined, () => {
      if (!this.#isHealed) {
        timeline.add('network', `heals: ${partition.name}`);
        cut.lift();
      }
    });
  }

  #say(node: VirtualNode, what: string): void {
    this.#parts.timeline.add(node.name, what);
  }
}

/** The options that were spoiled, as they are without faults of this kind. */
function restored(before: LinkOptions, spoiled: Partial<LinkOptions>): Partial<LinkOptions> {
  const names = Object.keys(spoiled) as (keyof LinkOptions)[];
  return Object.fromEntries(names.map((name) => [name, before[name]])) as Partial<LinkOptions>;
}
