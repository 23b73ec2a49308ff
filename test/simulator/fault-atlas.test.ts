// Where a disk may be damaged: where another member has the same bytes, and has them whole.

import test from 'tape';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import { decayLog, FaultAtlas } from '../../src/simulator/fault-atlas.js';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';

const SECOND = 1_000_000_000;
const RANGE = { from: 64, to: 128 };
const FIRST = segmentFileName(0);

/** Three members that have recorded the same log. */
function threeMembers(): readonly SimulatedMember[] {
  const simulation = new Simulation({
    seed: 4,
    arenas: new ArenaPool(),
    safetyNs: 2 * SECOND,
    adjust: (swarm) => ({ ...swarm, faults: [], memberCount: 3, logRetention: 'all' }),
  });
  const { violation } = simulation.run();
  if (violation !== undefined) {
    throw new Error(violation.message);
  }
  return simulation.cluster.members;
}

function rot(member: SimulatedMember): void {
  decayLog(member, RANGE.from, (before) => before.map((byte) => byte ^ 1), 8);
}

test('the last good copy of a range may not rot, nor be lost', (t) => {
  const members = threeMembers();
  const atlas = new FaultAtlas(members);
  t.ok(atlas.mayRot(0, RANGE) && atlas.mayLoseAll(0));
  rot(members[1] as SimulatedMember);
  t.ok(atlas.mayRot(0, RANGE), 'member 2 has it');
  t.ok(atlas.mayLoseAll(0), 'and has it for member 1, too');
  rot(members[2] as SimulatedMember);
  t.notOk(atlas.mayRot(0, RANGE));
  t.notOk(atlas.mayLoseAll(0));
  t.ok(atlas.mayLoseAll(1), 'what has rotted itself is no loss');
  t.end();
});

test('a member with another log in a range has no copy of it', (t) => {
  const members = threeMembers();
  const atlas = new FaultAtlas(members);
  for (const { node } of members.slice(1)) {
    t.ok(atlas.mayRot(0, RANGE));
    node.disk.flipBits(FIRST, RANGE.from, 1);
  }
  t.notOk(atlas.mayRot(0, RANGE), 'only member 0 has it');
  t.ok(atlas.mayRot(1, RANGE), 'the other two are equal');
  t.end();
});

test('what a member has that waits to be admitted is no copy', (t) => {
  const members = threeMembers();
  const atlas = new FaultAtlas(members);
  rot(members[1] as SimulatedMember);
  t.ok(atlas.mayRot(0, RANGE), 'member 2 has it');
  atlas.blankMember = () => 2;
  t.notOk(atlas.mayRot(0, RANGE));
  t.end();
});
