// How far a run has come is told often enough for a long one, and never in a short one.

import test from 'tape';
import { SeedProgress } from '../../src/tools/seed-progress.js';

/** Ends seeds one after another, each after so many milliseconds, and returns what was printed. */
function progressOf(seedCount: number, msPerSeed: number, failing: readonly number[] = []) {
  let now = 1_000;
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const progress = new SeedProgress({ seedCount, nowMs: () => now, print });
  let failureCount = 0;
  for (let count = 1; count <= seedCount; count++) {
    now += msPerSeed;
    failureCount += failing.includes(count) ? 1 : 0;
    progress.onSeed(count, failureCount);
  }
  return lines;
}

test('a line comes after every twentieth part of the seeds, with the failures so far', (t) => {
  const lines = progressOf(2_000, 1_000, [150, 1_100, 1_101]);
  t.equal(lines.length, 33, 'a twentieth takes 100 s, and a minute without a line is too long');
  t.equal(lines[0], '60 of 2,000 seeds after 60 s, no failure so far');
  const faster = progressOf(2_000, 100, [150, 1_100, 1_101]);
  t.equal(faster.length, 19, 'of twenty steps the last one is the result');
  t.equal(faster[0], '100 of 2,000 seeds after 10 s, no failure so far');
  t.equal(faster[1], '200 of 2,000 seeds after 20 s, 1 failed so far');
  t.equal(faster[18], '1,900 of 2,000 seeds after 190 s, 3 failed so far');
  t.end();
});

test('few seeds that take long have a line each, and a short run has none', (t) => {
  t.deepEqual(progressOf(3, 4_000), [
    '1 of 3 seeds after 4 s, no failure so far',
    '2 of 3 seeds after 8 s, no failure so far',
  ]);
  t.deepEqual(progressOf(100, 15), []);
  t.deepEqual(progressOf(1, 400_000), [], 'one seed has its result');
  t.end();
});
