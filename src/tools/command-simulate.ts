// command-simulate.ts: `pawl simulate` runs seeds in the simulator and prints the sums.

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { ExitCode } from '../host/exit-codes.js';
import {
  diagramOfSeed,
  LastingTrouble,
  MINIMIZE_RUNS_MAX,
  PROFILES,
  type Profile,
  type RunSeedsResult,
  runSeeds,
} from '../simulator/index.js';
import { isEachTold, type RunSeedsOptions } from '../simulator/runner.js';
import { planSeeds, type SeedPlan, type SeedReport } from '../simulator/seed-run.js';
import { SeedSums } from '../simulator/seed-sums.js';
import {
  integerListOption,
  integerOption,
  numberOption,
  wordListOption,
  wordOption,
} from './options.js';
import { grouped, printJson, printLine, progressOf } from './output.js';
import { SeedProgress } from './seed-progress.js';
import { runOnThreads } from './seed-threads.js';
import { sourceCommit } from './source-commit.js';

const SEED_MAX = 2 ** 32 - 1;
const SEED_COUNT_MAX = 1_000_000;
/** Seeds of the profile `swarm`, unless another number is given; of the others it is one. */
const SWARM_SEED_COUNT = 100;
/** Simulated seconds that may be asked for: eleven days. */
const SECONDS_MAX = 1_000_000;
const JOBS_MAX = 1_024;
const MS_PER_SECOND = 1_000;
const NS_PER_SECOND = 1_000_000_000;

interface SimulateFlags {
  readonly seeds?: number;
  readonly firstSeed: number;
  readonly seed?: number;
  readonly profile: Profile;
  readonly seconds?: number;
  readonly trace?: boolean;
  readonly mermaid?: string;
  readonly onlyFaults?: readonly number[];
  readonly without?: readonly LastingTrouble[];
  readonly minimize: boolean;
  readonly jobs?: number;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Reads `3,17`, or `none`. */
function faultListOption(text: string): readonly number[] {
  return text === 'none' ? [] : integerListOption(0, SEED_MAX)(text);
}

/** The sums, for people. */
function resultText(result: RunSeedsResult, jobs: number): string {
  const { failures } = result;
  const names = [
    ['elections', result.elections],
    ['crashes', result.crashes],
    ['restarts', result.restarts],
    ['truncations', result.truncations],
    ['catch-ups', result.catchUps],
    ['torn tails', result.tornTails],
    ['repairs', result.repairs],
    ['disk failures', result.diskFailures],
  ] as const;
  return [
    `${grouped(result.seeds)} seeds, ${grouped(result.simulatedSeconds)} simulated seconds in ` +
      `${result.wallSeconds.toFixed(1)} s with ${jobs} ${jobs === 1 ? 'job' : 'jobs'}, ` +
      `${grouped(result.events)} events`,
    names.map(([name, count]) => `${grouped(count)} ${name}`).join(', '),
    `${grouped(result.eventsPerSecond)} events and ` +
      `${grouped(result.simulatedSecondsPerSecond)} simulated seconds per second`,
    `${result.marksHit} of ${result.marksTotal} marks hit, ${result.seedsWithElectionAndCrash} ` +
      'seeds with a further election and a crash',
    `${grouped(result.acknowledged)} of ${grouped(result.commands)} commands answered`,
    failures.length === 0
      ? 'no failure'
      : `${failures.length} FAILED: ${failures.map((failure) => failure.replay).join('; ')}`,
  ].join('\n');
}

/** How many threads run seeds. What is looked at runs on the thread of the command. */
function jobsOf({ jobs, mermaid, trace }: SimulateFlags, plan: SeedPlan): number {
  const isLookedAt = trace === true || mermaid !== undefined;
  return isLookedAt ? 1 : Math.min(jobs ?? availableParallelism(), plan.count);
}

/** What `runSeeds` does, on several threads. */
async function runSeedsOnThreads(
  options: RunSeedsOptions,
  plan: SeedPlan,
  jobs: number,
): Promise<RunSeedsResult> {
  const { onSeed, print } = options;
  const startMs = performance.now();
  const sums = new SeedSums(isEachTold(options));
  const onReport = (report: SeedReport): void => {
    for (const line of sums.add(report)) {
      print?.(line);
    }
  };
  await runOnThreads({ plan, jobs, onReport, ...(onSeed === undefined ? {} : { onSeed }) });
  return sums.result((performance.now() - startMs) / MS_PER_SECOND);
}

async function simulate(flags: SimulateFlags): Promise<void> {
  const { json: isJson, mermaid, minimize, ...chosen } = flags;
  const progress = progressOf(isJson === true);
  const isSwarm = chosen.profile === 'swarm';
  const choice = {
    ...(isSwarm ? { seeds: SWARM_SEED_COUNT } : {}),
    ...chosen,
    minimizeRuns: minimize ? MINIMIZE_RUNS_MAX : 0,
  };
  const plan = planSeeds(choice);
  const jobs = jobsOf(flags, plan);
  const nowMs = (): number => performance.now();
  const print = (line: string): void => void process.stderr.write(`${line}\n`);
  const options: RunSeedsOptions = {
    ...choice,
    print: (line) => progress.step(line),
    onSeed: new SeedProgress({ seedCount: plan.count, nowMs, print }).onSeed,
    wallClockMs: nowMs,
  };
  const result = jobs === 1 ? runSeeds(options) : await runSeedsOnThreads(options, plan, jobs);
  if (result.failures.length > 0) {
    progress.step(`commit ${sourceCommit()}`);
  }
  if (mermaid !== undefined) {
    writeDiagram(mermaid, flags, plan, result);
    progress.step(`the diagram is in ${mermaid}`);
  }
  if (isJson === true) {
    printJson({ ...result, jobs, commit: sourceCommit() });
  } else {
    printLine(resultText(result, jobs));
  }
  process.exitCode = result.failures.length === 0 ? ExitCode.Ok : ExitCode.Invariant;
}

/** The diagram of the failing seed, or of the seed that was asked for, as long as it ran. */
function writeDiagram(
  path: string,
  flags: SimulateFlags,
  { first, safetyNs }: SeedPlan,
  { failures }: RunSeedsResult,
): void {
  const told = failures.find((failure) => failure.story !== undefined);
  const seed = failures[0]?.seed ?? first;
  const seconds = safetyNs === undefined ? {} : { seconds: safetyNs / NS_PER_SECOND };
  writeFileSync(path, told?.story?.diagram ?? diagramOfSeed({ ...flags, ...seconds, seed }));
}

export function addSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .summary('run whole clusters on a virtual network and disk')
    .description(
      'Run whole clusters, each on one thread, over a virtual clock, network and disk, with ' +
        'faults drawn from a seed, and check after every event that nothing promised is broken. ' +
        'A seed repeats its run exactly, whatever else runs.',
    )
    .option(
      '--seeds <n>',
      'how many seeds to run (default: 100 of the profile swarm)',
      integerOption(1, SEED_COUNT_MAX),
    )
    .option('--first-seed <seed>', 'the first of them', integerOption(0, SEED_MAX), 1)
    .option('--seed <seed>', 'run this seed alone, to look at it', integerOption(0, SEED_MAX))
    .option(
      '--profile <name>',
      'which faults: swarm draws a mix for each seed, quiet has none, storm has all, ' +
        'sparse has few in an hour',
      wordOption(PROFILES),
      'swarm',
    )
    .option(
      '--seconds <s>',
      'simulated seconds with faults (default: 60 for each seed)',
      numberOption(0.1, SECONDS_MAX),
    )
    .option('--trace', 'print what happens, in words')
    .option('--mermaid <file>', 'write the end of the (first failing) seed as a sequence diagram')
    .option(
      '--only-faults <numbers>',
      'let only these faults of the seed strike, such as 3,17, or none',
      faultListOption,
    )
    .option(
      '--without <kinds>',
      `leave out what is wrong all the time: ${Object.values(LastingTrouble).join(', ')}`,
      wordListOption(Object.values(LastingTrouble)),
    )
    .option('--no-minimize', 'do not look for the fewest faults with which a seed still fails')
    .option(
      '--jobs <n>',
      'how many seeds run at once, each on a thread (default: one for each processor; always 1 ' +
        'with --seed, --trace or --mermaid)',
      integerOption(1, JOBS_MAX),
    )
    .option('--verbose', 'print a line for each seed')
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(simulate);
}
