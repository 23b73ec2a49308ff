// partition-shapes.ts: ways in which a network falls apart, as pairs that do not hear each other.
//
// The shapes are those of Jepsen and of the fault matrix: one node cut off, halves, a minority, two
// halves with one node that hears both, a ring in which everybody sees another majority, and
// everybody who may believe that it leads alone.

import type { Prng } from './prng.js';
import type { VirtualNode } from './virtual-node.js';

/** What members a shape has to do with. */
export interface Population {
  readonly members: readonly VirtualNode[];
  readonly clients: readonly VirtualNode[];
  /** Who leads, or is believed to. */
  readonly leader: VirtualNode;
}

/** One direction that is dead. */
export interface DeadDirection {
  readonly from: VirtualNode;
  readonly to: VirtualNode;
}

export interface Partition {
  readonly name: string;
  readonly dead: readonly DeadDirection[];
}

/** A shape: groups of nodes that hear each other, and nobody else. */
type Shape = (population: Population, random: Prng) => readonly (readonly VirtualNode[])[];

const SHAPES: readonly (readonly [name: string, shape: Shape])[] = [
  ['one alone', ({ members, clients }, random) => cut(random.shuffle([...members, ...clients]), 1)],
  ['halves', ({ members }, random) => cut(random.shuffle([...members]), members.length >> 1)],
  ['a minority', (population, random) => minority(population, random, false)],
  [
    'the leader in a minority with its clients',
    (population, random) => minority(population, random, true),
  ],
  [
    'any two sides',
    ({ members, clients }, random) => {
      const nodes = random.shuffle([...members, ...clients]);
      return cut(nodes, random.between(1, Math.max(1, nodes.length - 1)));
    },
  ],
  [
    'every leader alone',
    ({ members, leader }) => [[leader], members.filter((member) => member !== leader)],
  ],
  ['all members alone', ({ members }) => members.map((member) => [member])],
];

function cut(nodes: VirtualNode[], at: number): VirtualNode[][] {
  return [nodes.slice(0, at), nodes.slice(at)];
}

/** What the leader of a minority appends is lost, when a majority elects another one. */
function minority({ members, clients, leader }: Population, random: Prng, isLed: boolean) {
  const others = random.shuffle(members.filter((member) => member !== leader));
  const countMax = Math.floor((members.length - 1) / 2);
  const left = isLed ? [leader] : [];
  const companionMax = isLed ? Math.max(0, countMax - 1) : countMax;
  left.push(...others.splice(0, random.below(companionMax + 1)));
  const right = isLed ? others : [leader, ...others];
  for (const client of clients) {
    (random.chance(isLed ? 3 : 1, 4) ? left : right).push(client);
  }
  return [left, right];
}

function directionsBetween(groups: readonly (readonly VirtualNode[])[]): DeadDirection[] {
  const dead: DeadDirection[] = [];
  for (const group of groups) {
    for (const other of groups.filter((each) => each !== group)) {
      dead.push(...group.flatMap((from) => other.map((to) => ({ from, to }))));
    }
  }
  return dead;
}

/** Two halves; one member hears both of them. */
function bridge({ members }: Population, random: Prng): DeadDirection[] {
  const [middle, ...others] = random.shuffle([...members]);
  return middle === undefined ? [] : directionsBetween(cut(others, others.length >> 1));
}

/** Everybody hears a majority, and nobody hears the same one as another. */
function majoritiesRing({ members }: Population, random: Prng): DeadDirection[] {
  const ring = random.shuffle([...members]);
  const reach = Math.ceil(Math.floor(ring.length / 2) / 2);
  const dead: DeadDirection[] = [];
  ring.forEach((from, index) => {
    ring.forEach((to, other) => {
      const apart = Math.abs(index - other);
      if (Math.min(apart, ring.length - apart) > reach) {
        dead.push({ from, to });
      }
    });
  });
  return dead;
}

/** Clients do not reach the leader, but all others do. */
export function clientCut({ clients, leader }: Population): Partition {
  return { name: 'clients from the leader', dead: directionsBetween([[leader], clients]) };
}

/** Draws a shape. One in three is dead in some directions only. */
export function drawPartition(population: Population, random: Prng): Partition {
  const kind = random.below(SHAPES.length + 2);
  const drawn =
    kind === SHAPES.length
      ? { name: 'two halves and a bridge', dead: bridge(population, random) }
      : kind > SHAPES.length
        ? { name: 'a ring of majorities', dead: majoritiesRing(population, random) }
        : grouped(SHAPES[kind] as (typeof SHAPES)[number], population, random);
  return random.chance(1, 3) ? oneSided(drawn, random) : drawn;
}

function grouped(
  [name, shape]: (typeof SHAPES)[number],
  population: Population,
  random: Prng,
): Partition {
  return { name, dead: directionsBetween(shape(population, random)) };
}

/** Of every pair that is cut, one direction lives on: the same for all, or any. */
function oneSided({ name, dead }: Partition, random: Prng): Partition {
  const isUniform = random.chance(1, 2);
  const isUp = random.chance(1, 2);
  const kept = dead.filter(({ from, to }) =>
    isUniform ? from.id < to.id === isUp : random.chance(1, 2),
  );
  return { name: `${name}, in some directions`, dead: kept };
}
