// What many seeds come to does not depend on where they ran, as long as they are added in order.

import test from 'tape';
import { MARK_NAMES } from '../../src/marks.js';
import { lostSeed, planSeeds, type SeedReport } from '../../src/simulator/seed-run.js';
import { SeedSums } from '../../src/simulator/seed-sums.js';
import { emptyCounts } from '../../src/simulator/simulation-counts.js';
import type { SeedStory } from '../../src/simulator/story/failing-seed.js';

const SECOND_NS = 1e9;
const plan = planSeeds({ seeds: 9, profile: 'quiet' });

function storyOf(seed: number): SeedStory {
  return {
    faults: [],
    faultCount: 0,
    without: [],
    needed: [],
    runs: 2,
    isMinimal: true,
    flags: ' --only-faults none',
    violation: { invariant: 'I-1', message: `story of ${seed}`, timeNs: 0 },
    lines: ['   1.000 ms  run  begins'],
    diagram: 'sequenceDiagram\n',
  };
}

/** A seed that failed and was told. */
function failed(seed: number): SeedReport {
  return { ...lostSeed(plan, seed, `seed ${seed} is bad`), story: storyOf(seed) };
}

function succeeded(seed: number, elections: number, marks: readonly number[]): SeedReport {
  return {
    ...lostSeed(plan, seed, ''),
    violation: undefined,
    traceHash: `hash of ${seed}`,
    events: 100,
    simulatedNs: 2 * SECOND_NS,
    counts: { ...emptyCounts(), elections, crashes: 1 },
    marks,
  };
}

test('of seeds that fail the first three are told, however many were minimised', (t) => {
  const sums = new SeedSums(false);
  const lines = [3, 5, 6, 8].map((seed) => sums.add(failed(seed)));
  t.deepEqual(
    sums.result(1).failures.map(({ story }) => story?.violation.message),
    ['story of 3', 'story of 5', 'story of 6', undefined],
  );
  t.deepEqual(lines[3], [
    'seed 8 FAILED thread at 0.000 ms: seed 8 is bad',
    '  replay it: pawl simulate --seed 8 --profile quiet --trace',
  ]);
  t.ok(
    lines[2]?.includes(
      '  replay just this: pawl simulate --seed 6 --profile quiet --trace --only-faults none',
    ),
  );
  t.equal(sums.failureCount, 4);
  t.end();
});

test('counts, times and marks are those of all seeds, the trace hash that of the last', (t) => {
  const sums = new SeedSums(false);
  t.deepEqual(sums.add(succeeded(1, 1, [0, 4])), [], 'nothing is said of a seed that is well');
  sums.add(succeeded(2, 3, [4, 7]));
  const result = sums.result(0.5);
  t.equal(result.seeds, 2);
  t.equal(result.elections, 4);
  t.equal(result.seedsWithElectionAndCrash, 1);
  t.equal(result.traceHash, 'hash of 2');
  t.deepEqual([result.events, result.eventsPerSecond], [200, 400]);
  t.deepEqual([result.simulatedSeconds, result.simulatedSecondsPerSecond], [4, 8]);
  t.equal(result.marksHit, 3);
  const never = MARK_NAMES.filter((_, number) => ![0, 4, 7].includes(number));
  t.deepEqual(result.marksNeverHit, never);
  t.equal(sums.result(0).eventsPerSecond, 0, 'without a clock there is no speed');
  t.end();
});

test('a storm of many seconds is seeds of a minute at most; of others each is that long', (t) => {
  const lengths = (profile: string, seconds: number, seeds?: number) => {
    const counted = seeds === undefined ? {} : { seeds };
    const { count, safetyNs } = planSeeds({ profile, seconds, ...counted });
    return [count, (safetyNs ?? 0) / SECOND_NS];
  };
  t.deepEqual(lengths('storm', 3_600), [60, 60]);
  t.deepEqual(lengths('storm', 62), [2, 31]);
  t.deepEqual(lengths('storm', 62, 1), [1, 62]);
  t.deepEqual(lengths('quiet', 36_000), [1, 36_000]);
  const cut = planSeeds({ profile: 'storm', seconds: 370 });
  const [, seconds] = / --seconds ([\d.]+) /.exec(lostSeed(cut, 1, '').replay) ?? [];
  const again = planSeeds({ profile: 'storm', seconds: Number(seconds), seed: 1 });
  t.equal(again.safetyNs, cut.safetyNs, `a replay of ${seconds} s is as long to the nanosecond`);
  t.end();
});
