// The simulation itself: it repeats exactly, it tells its story, and its judges see what is wrong.

import test from 'tape';
import type { Position } from '../../src/position.js';
import { ArenaPool, runSeeds, Simulation } from '../../src/simulator/index.js';

const SECOND = 1_000_000_000;

test('the same seed gives the same trace hash, whatever ran before it', (t) => {
  for (const seed of [2, 5, 11, 17]) {
    const options = { seed, safetyNs: 3 * SECOND };
    const first = new Simulation({ ...options, arenas: new ArenaPool() }).run();
    const arenas = new ArenaPool();
    new Simulation({ seed: seed + 1000, safetyNs: SECOND, arenas }).run();
    const second = new Simulation({ ...options, arenas }).run();
    t.equal(second.traceHash, first.traceHash, `seed ${seed}: ${first.traceHash}`);
    t.equal(second.events, first.events, `${first.events} events`);
    t.deepEqual(second.counts, first.counts, 'with the same counts');
  }
  t.end();
});

test('a trace changes nothing and tells who led, what failed and who had a session', (t) => {
  const options = { seed: 3, safetyNs: 3 * SECOND };
  const silent = new Simulation({ ...options, arenas: new ArenaPool() }).run();
  const told = new Simulation({ ...options, arenas: new ArenaPool(), isTraced: true }).run();
  t.equal(told.traceHash, silent.traceHash, 'the run is the same');
  t.equal(silent.timeline.length, 0, 'nothing is kept unless asked for');
  const text = told.timeline.join('\n');
  t.match(text, /LEADER_READY/, 'a leader');
  t.match(text, /has session/, 'a session');
  t.match(text, /everything is healed/, 'the end of the faults');
  t.end();
});

test('a sparse run has some faults in a long time, and serves between them', (t) => {
  const result = runSeeds({ seeds: 2, firstSeed: 1, profile: 'sparse', seconds: 60 });
  t.deepEqual(result.failures, []);
  t.ok(result.crashes + result.elections > 2, `${result.crashes} crashes`);
  t.ok(result.acknowledged > 200, `${result.acknowledged} commands were acknowledged`);
  t.end();
});

test('the quiet profile has no faults, no second election and an answer for every command', (t) => {
  const result = runSeeds({ seeds: 3, firstSeed: 1, profile: 'quiet', seconds: 5 });
  t.deepEqual(result.failures, []);
  t.equal(result.crashes, 0);
  t.equal(result.elections, 3, 'one election in each run');
  t.equal(result.acknowledged, result.commands, `${result.commands} commands were answered`);
  t.end();
});

test('a profile or seed that does not exist is refused with the ones that do', (t) => {
  t.throws(() => runSeeds({ profile: 'calm' }), /use one of swarm, quiet, storm/);
  t.throws(() => runSeeds({ seed: -1 }), /seed is -1: use an integer/);
  t.end();
});

/** Runs a quiet cluster, in which `spoil` breaks something once its moment has come. */
function runSpoiled(spoil: (simulation: Simulation) => void): string | undefined {
  const simulation = new Simulation({
    seed: 1,
    arenas: new ArenaPool(),
    profile: 'quiet',
    safetyNs: 3 * SECOND,
  });
  simulation.world.schedule(2 * SECOND, undefined, () => spoil(simulation));
  return simulation.run().violation?.invariant;
}

test('a second leader in a term is seen', (t) => {
  const invariant = runSpoiled(({ judges: { votes } }) => {
    votes.onLeader(0, 77);
    votes.onLeader(1, 77);
  });
  t.equal(invariant, 'I-1');
  t.end();
});

test('a vote for two candidates, or one that is not durable, is seen', (t) => {
  t.equal(
    runSpoiled(({ judges: { votes } }) => votes.onVoteSent(1, 0, 1000)),
    'I-11',
  );
  const twice = runSpoiled(({ judges: { votes } }) => {
    votes.onVoteSent(2, 1, 0);
  });
  t.equal(twice, 'I-2', 'its vote of term 0 was for another');
  t.end();
});

test('an acknowledgement of bytes that are not durable is seen', (t) => {
  t.equal(
    runSpoiled(({ judges: { committed } }) => committed.onAcknowledged(1, committed.end + 4096)),
    'I-11',
  );
  t.end();
});

test('a service that applies what its disk or a quorum does not hold is seen', (t) => {
  t.equal(
    runSpoiled(({ judges: { committed } }) => committed.onApply(1, committed.end + 4096, 0)),
    'I-9',
  );
  const lost = runSpoiled((simulation) => {
    for (const { node } of simulation.cluster.members.slice(1)) {
      node.disk.exchange = (directory) => directory;
      node.disk.snapshotDurable = () => undefined;
      node.disk.snapshotCached = () => undefined;
    }
  });
  t.ok(lost === 'I-7' || lost === 'I-9' || lost === 'I-11', `seen as ${lost}`);
  t.end();
});

test('the judges of the log see every frame that a service is given', (t) => {
  const simulation = new Simulation({
    seed: 1,
    arenas: new ArenaPool(),
    profile: 'quiet',
    safetyNs: SECOND,
  });
  const { committed } = simulation.judges;
  let frameCount = 0;
  const onFragment = committed.onFragment.bind(committed);
  committed.onFragment = (...values) => {
    frameCount++;
    onFragment(...values);
  };
  const { counts, violation } = simulation.run();
  t.equal(violation, undefined);
  t.ok(committed.end > 0, `the common log ends at ${committed.end}`);
  const memberCount = simulation.cluster.members.length;
  t.ok(frameCount > memberCount * counts.commands, `${frameCount} frames were seen`);
  t.end();
});

test('a service that is given a frame again, or other bytes, is seen', (t) => {
  const view = new DataView(new ArrayBuffer(4096));
  const at = (position: Position) => (simulation: Simulation) =>
    simulation.judges.committed.onFragment(0, view, 32, 64, position);
  t.equal(runSpoiled(at(96)), 'I-6', 'a position that was applied before');
  t.end();
});

test('a command that is applied twice, lost after its reply, or out of order is seen', (t) => {
  const command = { client: 5, sequence: 1, order: 9_999 };
  t.equal(
    runSpoiled(({ judges: { acknowledged } }) => acknowledged.onReply(command)),
    'I-14',
  );
  const twice = runSpoiled(({ judges: { acknowledged } }) => {
    acknowledged.onState(0, 1_000_032, 1, command);
    acknowledged.onState(0, 1_000_064, 2, command);
  });
  t.equal(twice, 'I-12');
  const states = runSpoiled(({ judges: { acknowledged } }) => {
    acknowledged.onState(0, 1_000_032, 1);
    acknowledged.onState(1, 1_000_032, 2);
  });
  t.equal(states, 'states');
  t.end();
});

test('a cluster that cannot come back fails the liveness phase', (t) => {
  const invariant = runSpoiled(({ world, cluster }) => {
    world.network.addFilter(
      (source, destination) =>
        source.id >= cluster.members.length || destination.id >= cluster.members.length,
    );
  });
  t.equal(invariant, 'liveness');
  t.end();
});
