// Many short runs of whole clusters under faults. A failure names its seed and how to replay it.
// Each half is a test file of its own, so that both run at once.

import test from 'tape';
import { type RunSeedsResult, runSeeds } from '../../src/simulator/index.js';

const SEEDS_PER_BATCH = 20;
/** Simulated seconds with faults; the healing and the checks after it come on top. */
const FAULT_SECONDS = 3;

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
  'rottenSnapshots',
  'repairs',
  'timersFired',
  'lostDirectories',
  'judgedOperations',
  'snapshots',
  'snapshotLoads',
  'installs',
  'purgedSegments',
  'reads',
  'serviceMessages',
  'outputsCompared',
  'suspensions',
  'sessionsChallenged',
  'sessionsAuthenticated',
  'sessionsRejected',
] as const satisfies readonly (keyof RunSeedsResult)[];

/** Tests that no seed of a range fails, and that what is rare happened in it. */
export function testSeeds(firstSeed: number, seedCount: number): void {
  const totals = new Map<string, number>();
  for (let first = firstSeed; first < firstSeed + seedCount; first += SEEDS_PER_BATCH) {
    const last = first + SEEDS_PER_BATCH - 1;
    test(`no invariant breaks in the runs of the seeds ${first} to ${last}`, (t) => {
      const result = runSeeds({ seeds: SEEDS_PER_BATCH, firstSeed: first, seconds: FAULT_SECONDS });
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
}
