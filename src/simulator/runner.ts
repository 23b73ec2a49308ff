// runner.ts: many seeds, one after another.

import { describeError } from './describe-error.js';
import {
  LOST_SEED_JUDGE,
  lostSeed,
  planSeeds,
  runSeed,
  type SeedChoice,
  type SeedPlan,
  type SeedReport,
  simulationOptions,
} from './seed-run.js';
import { type RunSeedsResult, SeedSums, STORIES_MAX } from './seed-sums.js';
import { ArenaPool } from './simulated-cluster.js';
import { Simulation } from './simulation.js';
import { sequenceDiagram } from './story/mermaid.js';

const MS_PER_SECOND = 1_000;

export interface RunSeedsOptions extends SeedChoice {
  /** Prints one line per seed. */
  readonly verbose?: boolean;
  readonly print?: (line: string) => void;
  /** Told after each seed how many have ended, and how many of these have failed. */
  readonly onSeed?: (endedCount: number, failureCount: number) => void;
  /** Wall clock in milliseconds, for `wallSeconds`: the simulator itself reads no time. */
  readonly wallClockMs?: () => number;
  /** Ends after this many failing seeds. Default: all seeds run. */
  readonly failureCountMax?: number;
}

/**
 * Runs seeds. One that throws fails as `thread`, as it would on a thread of its own, and is the
 * last.
 *
 * @throws PawlError CONFIGURATION_INVALID for an unknown profile or a seed that is none.
 */
export function runSeeds(options: RunSeedsOptions): RunSeedsResult {
  const { failureCountMax = Number.POSITIVE_INFINITY, onSeed, print, wallClockMs } = options;
  const plan = planSeeds(options);
  const arenas = new ArenaPool();
  const startMs = wallClockMs?.() ?? 0;
  const sums = new SeedSums(isEachTold(options));
  let isLost = false;
  for (let index = 0; index < plan.count && !isLost; index++) {
    const isTold = sums.failureCount < STORIES_MAX;
    const report = reportOf(plan, plan.first + index, arenas, isTold);
    isLost = report.violation?.invariant === LOST_SEED_JUDGE;
    for (const line of sums.add(report)) {
      print?.(line);
    }
    onSeed?.(index + 1, sums.failureCount);
    if (sums.failureCount >= failureCountMax) {
      break;
    }
  }
  return sums.result(((wallClockMs?.() ?? 0) - startMs) / MS_PER_SECOND);
}

function reportOf(plan: SeedPlan, seed: number, arenas: ArenaPool, isTold: boolean): SeedReport {
  try {
    return runSeed(plan, seed, arenas, isTold);
  } catch (error) {
    return lostSeed(plan, seed, describeError(error));
  }
}

/** Whether a seed that does not fail is told of, too. */
export function isEachTold({ seed, trace, verbose }: RunSeedsOptions): boolean {
  return verbose === true || trace === true || seed !== undefined;
}

/** Runs one seed and draws its end. */
export function diagramOfSeed(options: RunSeedsOptions): string {
  const seed = options.seed ?? options.firstSeed ?? 1;
  const plan = planSeeds({ ...options, seed, trace: true });
  const { entries, violation } = new Simulation(
    simulationOptions(plan, seed, new ArenaPool()),
  ).run();
  const ending = violation === undefined ? 'no failure' : violation.message;
  return sequenceDiagram(entries, { ending });
}
