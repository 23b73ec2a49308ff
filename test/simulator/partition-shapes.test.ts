// Every shape of a partition is what its name says, for clusters of one to seven members.

import test from 'tape';
import {
  clientCut,
  drawPartition,
  type Partition,
  type Population,
} from '../../src/simulator/partition-shapes.js';
import { Prng } from '../../src/simulator/prng.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { World } from '../../src/simulator/world.js';

const DRAWS = 400;

function populationOf(memberCount: number): Population {
  const world = new World(1);
  const names = (kind: string, count: number): VirtualNode[] =>
    Array.from({ length: count }, (_, id) => world.addNode({ name: `${kind} ${id}` }));
  const members = names('member', memberCount);
  const clients = names('client', 2);
  return { members, clients, leader: members[0] as VirtualNode };
}

/** Whether nothing passes from one node to another. */
function isDead({ dead }: Partition, from: VirtualNode, to: VirtualNode): boolean {
  return dead.some((each) => each.from === from && each.to === to);
}

/** Members that a member hears and is heard by, itself included. */
function heardBothWays(partition: Partition, population: Population, node: VirtualNode) {
  return population.members.filter(
    (other) => !isDead(partition, node, other) && !isDead(partition, other, node),
  );
}

/** Draws until every shape has come often. */
function drawAll(memberCount: number): { population: Population; drawn: Partition[] } {
  const population = populationOf(memberCount);
  const random = new Prng(memberCount, 'shapes');
  const drawn = Array.from({ length: DRAWS }, () => drawPartition(population, random));
  return { population, drawn };
}

test('all shapes are drawn, whole and in some directions only', (t) => {
  const names = new Set(drawAll(5).drawn.map(({ name }) => name));
  for (const shape of [
    'one alone',
    'halves',
    'a minority',
    'the leader in a minority with its clients',
    'any two sides',
    'every leader alone',
    'all members alone',
    'two halves and a bridge',
    'a ring of majorities',
  ]) {
    t.ok(names.has(shape), shape);
    t.ok(names.has(`${shape}, in some directions`), `${shape}, in some directions`);
  }
  t.end();
});

test('no node is ever cut off from itself, and nothing is dead twice', (t) => {
  for (let memberCount = 1; memberCount <= 7; memberCount++) {
    const { drawn } = drawAll(memberCount);
    const pairs = drawn.map(({ dead }) => dead.map(({ from, to }) => `${from.id}>${to.id}`));
    t.ok(
      drawn.every(({ dead }) => dead.every(({ from, to }) => from !== to)),
      `${memberCount} members: two nodes`,
    );
    t.ok(
      pairs.every((each) => new Set(each).size === each.length),
      `${memberCount} members: once each`,
    );
  }
  t.end();
});

test('in a ring of majorities everybody hears a majority and no two the same one', (t) => {
  for (const memberCount of [5, 7]) {
    const { drawn, population } = drawAll(memberCount);
    const rings = drawn.filter(({ name }) => name === 'a ring of majorities');
    t.ok(rings.length > 0, `${rings.length} rings of ${memberCount}`);
    const views = rings.map((ring) =>
      population.members.map((node) => heardBothWays(ring, population, node)),
    );
    const majority = Math.floor(memberCount / 2) + 1;
    t.ok(
      views.every((ring) => ring.every((heard) => heard.length >= majority)),
      'majorities',
    );
    const texts = views.map((ring) => ring.map((heard) => heard.map(({ id }) => id).join()));
    t.ok(
      texts.every((ring) => new Set(ring).size === memberCount),
      'all different',
    );
  }
  t.end();
});

test('a bridge hears both halves, which do not hear each other', (t) => {
  const { drawn, population } = drawAll(5);
  const bridges = drawn.filter(({ name }) => name === 'two halves and a bridge');
  t.ok(bridges.length > 0, `${bridges.length} bridges`);
  for (const bridge of bridges.slice(0, 20)) {
    const counts = population.members.map((node) => heardBothWays(bridge, population, node).length);
    t.deepEqual(counts.sort(), [3, 3, 3, 3, 5], 'the bridge hears five, the others three');
  }
  t.end();
});

test('the leader of a minority never has a majority with it', (t) => {
  for (let memberCount = 2; memberCount <= 7; memberCount++) {
    const { drawn, population } = drawAll(memberCount);
    const name = 'the leader in a minority with its clients';
    const sizes = drawn
      .filter((each) => each.name === name)
      .map((each) => heardBothWays(each, population, population.leader).length);
    t.ok(
      sizes.length > 0 && sizes.every((size) => 2 * size <= memberCount || size === 1),
      `of ${memberCount} members: ${Math.max(...sizes)} at most`,
    );
  }
  t.end();
});

test('clients that are cut from the leader reach everybody else', (t) => {
  const population = populationOf(3);
  const cut = clientCut(population);
  for (const client of population.clients) {
    t.ok(isDead(cut, client, population.leader) && isDead(cut, population.leader, client), 'cut');
    const others = population.members.slice(1);
    t.ok(
      others.every((member) => !isDead(cut, client, member) && !isDead(cut, member, client)),
      'reaches the others',
    );
  }
  t.end();
});
