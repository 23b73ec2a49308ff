// A failing seed is made small and told: with a bug that is planted where the judges look.

import test from 'tape';
import { ArenaPool, Simulation, type SimulationOptions } from '../../src/simulator/index.js';
import { faultLines, type Selection, tellSeed } from '../../src/simulator/story/failing-seed.js';
import { FaultClass } from '../../src/simulator/swarm.js';

const MILLISECOND = 1_000_000;
const SECOND = 1_000_000_000;
const arenas = new ArenaPool();

/** A seed whose run fails as soon as a process was killed and one was paused. */
function runPlanted(selection: Selection, isTraced: boolean, untilNs?: number) {
  const options: SimulationOptions = {
    seed: 77,
    arenas,
    isTraced,
    safetyNs: 8 * SECOND,
    ...(untilNs === undefined ? {} : { untilNs }),
    onlyFaults: selection.only,
    without: selection.without,
    adjust: (swarm) => ({
      ...swarm,
      memberCount: 3,
      faults: [FaultClass.Kill, FaultClass.Pause, FaultClass.Partition, FaultClass.SlowDisk],
      faultIntervalNs: 200 * MILLISECOND,
    }),
  };
  const simulation = new Simulation(options);
  const look = (): void => {
    const { crashes, pauses } = simulation.nemesis.counts;
    if (crashes > 0 && pauses > 0) {
      simulation.judge.report('planted', 'one was killed and one was paused');
    }
    // Later it is the liveness phase that ends processes.
    if (simulation.world.nowNs < simulation.swarm.safetyNs) {
      simulation.world.schedule(simulation.world.nowNs + MILLISECOND, undefined, look);
    }
  };
  simulation.world.schedule(MILLISECOND, undefined, look);
  return simulation.run();
}

test('a seed with a planted bug is minimised to faults of which none can be spared', (t) => {
  const whole = runPlanted({ without: [], only: undefined }, false);
  const { safetyEndNs, struck, violation } = whole;
  t.equal(violation?.invariant, 'planted');
  if (violation === undefined) {
    t.end();
    return;
  }
  const story = tellSeed({ violation, struck, safetyEndNs, run: runPlanted });
  t.ok(story.isMinimal, `${story.runs} runs`);
  t.deepEqual(story.faults.map(({ fault }) => fault).sort(), ['kill', 'pause']);
  t.deepEqual(story.needed, [], 'the links, sockets and disks have no part in it');
  const only = story.faults.map(({ number }) => number);
  const { without } = story;
  t.equal(runPlanted({ only, without }, false).violation?.invariant, 'planted');
  for (const number of only) {
    const rest = only.filter((other) => other !== number);
    t.equal(runPlanted({ only: rest, without }, false).violation, undefined, `not ${number} alone`);
  }
  const text = faultLines(story).join('\n');
  t.match(text, /it needs 2 of \d+ faults, none of which can be spared/);
  t.match(text, /fault \d+, pause: (?:member|client) \d is paused for \d+ ms/);
  t.equal(story.flags, ` --only-faults ${only} --without links,sockets,disks,turns`);
  t.ok(story.lines.some((line) => line.includes('is killed')));
  t.match(story.diagram, /Note over M0,C\d: planted: one was killed and one was paused\n$/);
  t.end();
});

test('a run that is given up early had the same faults until then, however rare they are', (t) => {
  const run = (untilNs: number) =>
    new Simulation({
      seed: 5,
      arenas,
      untilNs,
      adjust: (swarm) => ({
        ...swarm,
        faults: [FaultClass.Pause],
        faultIntervalNs: 4 * SECOND,
        stormNs: 60 * SECOND,
      }),
    }).run();
  const [early, late] = [run(15 * SECOND), run(25 * SECOND)];
  t.ok(early.struck.length > 0 && early.simulatedNs < 16 * SECOND);
  t.deepEqual(early.struck, late.struck.slice(0, early.struck.length));
  t.ok(late.struck.length > early.struck.length, 'and more later');
  t.end();
});

test('a fault keeps its moment and what it does when others are left out', (t) => {
  const whole = runPlanted({ without: [], only: undefined }, false);
  const last = whole.struck.at(-1);
  const alone = runPlanted({ without: [], only: [last?.number ?? 0] }, false);
  t.equal(alone.struck.length, 1);
  t.equal(alone.struck[0]?.timeNs, last?.timeNs);
  t.equal(alone.struck[0]?.fault, last?.fault);
  t.end();
});
