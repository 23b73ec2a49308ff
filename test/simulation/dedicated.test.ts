// Services on threads of their own under the simulator: their stalls cost no election, the same
// seed is the same run, and under faults the judges find nothing that they would not find else.

import test from 'tape';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import type { Swarm } from '../../src/simulator/swarm.js';
import type { Profile } from '../../src/simulator/swarm-profiles.js';

const NS_PER_SECOND = 1_000_000_000;
const QUIET_SEEDS = [1, 2];
const FAULTY_SEEDS = [11, 12];
const arenas = new ArenaPool();

function run(seed: number, profile: Profile, seconds: number) {
  const adjust = (swarm: Swarm): Swarm => ({ ...swarm, isServiceDedicated: true });
  const safetyNs = seconds * NS_PER_SECOND;
  return new Simulation({ seed, arenas, profile, safetyNs, adjust }).run();
}

test('services that stall for up to two seconds, again and again, cost no election', (t) => {
  for (const seed of QUIET_SEEDS) {
    const { counts, violation } = run(seed, 'quiet', 40);
    t.equal(violation, undefined, `seed ${seed} holds`);
    t.ok(counts.serviceStalls > 40, `${counts.serviceStalls} stalls`);
    t.equal(counts.elections, 1, 'one election: the first');
  }
  t.end();
});

test('under faults members with dedicated services keep their promises, twice alike', (t) => {
  for (const seed of FAULTY_SEEDS) {
    const first = run(seed, 'swarm', 8);
    const second = run(seed, 'swarm', 8);
    t.equal(first.violation, undefined, `seed ${seed} holds`);
    t.ok(first.counts.serviceStalls > 0, `${first.counts.serviceStalls} stalls`);
    t.equal(first.traceHash, second.traceHash, 'the same run');
  }
  t.end();
});
