// The archive on a virtual disk: whatever is killed or loses power whenever, what was reported
// durable is there again, and the log is the log. Method: seeded crashes, effect by effect, with a
// recorder on a thread of its own; a truth kept outside of the process.

import test from 'tape';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import type { Durability } from '../../src/archive/recorder.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { EndKind } from '../../src/simulator/virtual-process.js';
import { World } from '../../src/simulator/world.js';
import { GEOMETRY, makeChance } from './archive-world.js';
import { startMember, Truth } from './simulated-owner.js';

const MS = 1_000_000;
const SEEDS = 14;
const CRASHES = 12;

function checkBytes(node: VirtualNode, truth: Truth, label: string): void {
  const { segmentLength } = GEOMETRY;
  for (let base = 0; base < truth.end; base += segmentLength) {
    const view = node.disk.snapshotCached(segmentFileName(base));
    const end = Math.min(segmentLength, truth.end - base);
    const found = view?.bytes().subarray(0, end) ?? new Uint8Array(0);
    if (Buffer.compare(found, truth.bytes.subarray(base, base + end)) !== 0) {
      truth.problems.push(`${label}: segment ${base} differs below ${truth.end}`);
    }
  }
}

/** One seed: a member that crashes again and again. Returns what it saw. */
function runSeed(seed: number, durability: Durability): Truth {
  const truth = new Truth();
  const chance = makeChance(seed * 7919 + 1);
  const world = new World(seed);
  const node = world.addNode({ name: 'member' });
  node.onFatal = (_process, error) => truth.problems.push(String(error));
  // At page-cache an acknowledged position survives the death of the process alone.
  const kinds = durability === 'fsync' ? [EndKind.Kill, EndKind.PowerCut] : [EndKind.Kill];
  for (let crash = 0; crash < CRASHES && truth.problems.length === 0; crash++) {
    const process = node.start((started) => startMember(started, truth, durability, chance));
    const kind = kinds[chance() % kinds.length] as EndKind;
    if (chance() % 3 === 0) {
      process.endBeforeEffect(1 + (chance() % 400), kind);
      world.runFor(200 * MS);
    } else {
      world.runFor((1 + (chance() % 400)) * MS);
    }
    if (node.process !== undefined) {
      node.end(kind);
    }
  }
  node.start((started) => startMember(started, truth, durability, () => 1));
  const recoveries = truth.recoveries;
  world.runUntilTrue(() => truth.recoveries > recoveries || truth.problems.length > 0, 60_000 * MS);
  checkBytes(node, truth, 'at the end');
  node.kill();
  return truth;
}

for (const durability of ['fsync', 'page-cache'] as const) {
  test(`${durability}: nothing reported durable is lost, and nothing else appears`, (t) => {
    const sum = { recoveries: 0, torn: 0, truncations: 0, terms: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const truth = runSeed(seed, durability);
      if (truth.problems.length > 0) {
        t.fail(`seed ${seed}: ${truth.problems.join(' | ')}`);
      }
      sum.recoveries += truth.recoveries;
      sum.torn += truth.torn;
      sum.truncations += truth.truncations;
      sum.terms += truth.terms;
    }
    t.ok(sum.recoveries > SEEDS && sum.truncations > 0 && sum.terms > SEEDS, JSON.stringify(sum));
    t.end();
  });
}
