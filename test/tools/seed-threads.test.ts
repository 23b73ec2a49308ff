// Seeds on several threads come to what they come to on one, also when seeds fail or threads die.

import test from 'tape';
import { type RunSeedsResult, runSeeds } from '../../src/simulator/index.js';
import { lostSeed, planSeeds, type SeedReport } from '../../src/simulator/seed-run.js';
import { SeedSums } from '../../src/simulator/seed-sums.js';
import { runOnThreads } from '../../src/tools/seed-threads.js';
import { failEveryThirdSeed } from './fixtures/failing-simulation.js';
import type { ScriptedPlan } from './fixtures/scripted-worker.js';

const FAILING = new URL('./fixtures/failing-seeds-worker.ts', import.meta.url);
const SCRIPTED = new URL('./fixtures/scripted-worker.ts', import.meta.url);

type Script = Pick<ScriptedPlan, 'late' | 'endless' | 'throwing' | 'leaving' | 'failing'>;

/** Runs six seeds of a script, and returns what was passed on and told. */
async function runScript(jobs: number, script: Script) {
  const endedCount = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const seeds = planSeeds({ seeds: 6, firstSeed: 11 });
  const report = { ...lostSeed(seeds, 11, ''), violation: undefined };
  const plan: ScriptedPlan = { ...seeds, ...script, endedCount, report };
  const reports: SeedReport[] = [];
  const told: string[] = [];
  await runOnThreads({
    plan,
    jobs,
    entry: SCRIPTED,
    onReport: (report) => {
      reports.push(report);
    },
    onSeed: (ended, failed) => {
      told.push(`${ended} ended, ${failed} failed, ${reports.length} passed on`);
      Atomics.store(endedCount, 0, ended);
      Atomics.notify(endedCount, 0);
    },
  });
  return { reports, told };
}

function seedsOf(reports: readonly SeedReport[]): readonly number[] {
  return reports.map(({ seed }) => seed);
}

test('seeds that fail on threads are added up, minimised and told as on one thread', async (t) => {
  t.teardown(failEveryThirdSeed());
  const choice = { seeds: 13, profile: 'quiet', seconds: 0.2, minimizeRuns: 6 };
  const alone: string[] = [];
  const ofOne = runSeeds({ ...choice, verbose: true, print: (line) => alone.push(line) });
  const lines: string[] = [];
  const sums = new SeedSums(true);
  let ofThree: RunSeedsResult | undefined;
  await runOnThreads({
    plan: planSeeds(choice),
    jobs: 3,
    entry: FAILING,
    onReport: (report) => {
      lines.push(...sums.add(report));
      ofThree = sums.result(0);
    },
  });
  t.deepEqual(ofThree, ofOne, `${ofOne.events} events, trace hash ${ofOne.traceHash}`);
  t.equal(JSON.stringify(ofThree), JSON.stringify(ofOne), 'they are the same JSON');
  t.deepEqual(lines, alone, `and ${lines.length} equal lines`);
  t.deepEqual(
    ofOne.failures.map(({ seed, story }) => [seed, story !== undefined]),
    [
      [3, true],
      [6, true],
      [9, true],
      [12, false],
    ],
    'of four seeds that fail three are told',
  );
});

test('a seed that takes long holds up no thread, and the reports stay in order', async (t) => {
  const { reports, told } = await runScript(2, { late: [11, 5] });
  t.deepEqual(seedsOf(reports), [11, 12, 13, 14, 15, 16]);
  t.ok(reports.every(({ seed, traceHash }) => traceHash === `hash of ${seed}`));
  t.deepEqual(told, [
    ...[1, 2, 3, 4, 5].map((count) => `${count} ended, 0 failed, 0 passed on`),
    '6 ended, 0 failed, 6 passed on',
  ]);
});

test('seeds are minimised until three are known to have failed', async (t) => {
  const { reports } = await runScript(1, { failing: [12, 13, 14, 15, 16] });
  t.deepEqual(
    reports.map(({ violation }) => violation?.invariant),
    [undefined, 'told', 'told', 'told', 'untold', 'untold'],
  );
});

test('a seed that throws fails by its number, and the other threads end', async (t) => {
  // Seed 11 would run for ever, 13 to 16 have ended before 12 throws.
  const script = { endless: 11, late: [12, 4], throwing: 12 } as const;
  const { reports } = await runScript(3, script);
  t.deepEqual(seedsOf(reports), [12, 13, 14, 15, 16], 'what had ended is there, in order');
  const [lost, ...others] = reports;
  t.equal(lost?.violation?.invariant, 'thread');
  t.match(lost?.violation?.message ?? '', /^RangeError: seed 12 throws at .*scripted-worker/);
  t.equal(lost?.replay, 'pawl simulate --seed 12 --trace');
  t.ok(others.every(({ violation }) => violation === undefined));
});

test('a thread that ends in the middle of a seed fails it', async (t) => {
  const { reports } = await runScript(2, { endless: 12, leaving: 11 });
  t.deepEqual(seedsOf(reports), [11], 'no further seed is handed out');
  t.match(reports[0]?.violation?.message ?? '', /^its thread ended with code 3 and without/);
});

test('a thread whose file cannot be loaded fails its first seed', async (t) => {
  const reports: SeedReport[] = [];
  await runOnThreads({
    plan: planSeeds({ seeds: 2 }),
    jobs: 1,
    entry: new URL('./fixtures/no-such-worker.ts', import.meta.url),
    onReport: (report) => reports.push(report),
  });
  t.deepEqual(seedsOf(reports), [1]);
  t.match(reports[0]?.violation?.message ?? '', /no-such-worker/);
});
