// Many short runs of whole clusters under faults. A failure names its seed and how to replay it.

import test from 'tape';
import { type RunSeedsResult, runSeeds } from '../../src/simulator/index.js';

const BATCH_COUNT = 10;
const SEEDS_PER_BATCH = 20;
/** Simulated seconds with faults; the healing and the checks after it come on top. */
const FAULT_SECONDS = 4;

/** What has to happen somewhere in the runs, or they have tested nothing. */
const RARE = [
  'commands',
  'acknowledged',
  'elections',
  'truncations',
  'catchUps',
  'crashes',
  'restarts',
  'tornTails',
  'diskFailures',
  'rottenRanges',
  'repairs',
  'timersFired',
  'repairs',
  'lostDirectories',
  'judgedOperations',
  'snapshots',
  'snapshotLoads',
  'installs',
  'purgedSegments',
  'suspensions',
  'sessionsChallenged',
  'sessionsAuthenticated',
  'sessionsRejected',
] as const satisfies readonly (keyof RunSeedsResult)[];

const totals = new Map<string, number>();

for (let batch = 0; batch < BATCH_COUNT; batch++) {
  const firstSeed = 1 + batch * SEEDS_PER_BATCH;
  const lastSeed = firstSeed + SEEDS_PER_BATCH - 1;
  test(`no invariant breaks in the runs of the seeds ${firstSeed} to ${lastSeed}`, (t) => {
    const result = runSeeds({
      seeds: SEEDS_PER_BATCH,
      firstSeed,
      seconds: FAULT_SECONDS,
    });
    t.equal(result.seeds, SEEDS_PER_BATCH, 'all seeds ran');
    t.deepEqual(result.failures, [], 'none failed');
    for (const name of RARE) {
      totals.set(name, (totals.get(name) ?? 0) + result[name]);
    }
    t.end();
  });
}

test('elections, truncations, crashes and torn tails all happened in these runs', (t) => {
  for (const name of RARE) {
    t.ok((totals.get(name) ?? 0) > 0, `${totals.get(name)} ${name}`);
  }
  t.end();
});
