// runner.ts: many seeds, one after another.

import { ErrorCode, PawlError } from '../errors.js';
import { MARK_NAMES, markHits } from '../marks.js';
import { ArenaPool } from './simulated-cluster.js';

import { Simulation, type SimulationOptions, type SimulationResult } from './simulation.js';
import { addCounts, emptyCounts, type SimulationCounts } from './simulation-counts.js';
import { type SeedStory, storyLines } from './story/failing-seed.js';
import { sequenceDiagram } from './story/mermaid.js';
import { storyOf } from './story/seed-story.js';
import type { LastingTrouble } from './swarm.js';
import { PROFILES, type Profile } from './swarm-profiles.js';

const NS_PER_SECOND = 1_000_000_000;
const MS_PER_SECOND = 1_000;
/** A storm is cut into seeds of at most this. */
const STORM_SEED_SECONDS_MAX = 60;
/** Failing seeds that are minimised and told; of further ones there is the command. */
const STORIES_MAX = 3;
/** Seeds that one call runs at most. */
export const SEED_COUNT_MAX = 100_000_000;

export interface RunSeedsOptions {
  /** How many seeds to run. Default 1. */
  readonly seeds?: number;
  /** The first of them. Default 1. */
  readonly firstSeed?: number;
  /** One seed alone, to replay it. */
  readonly seed?: number;
  /** `swarm` (default), `quiet` or `storm`. */
  readonly profile?: string;
  /**
   * Simulated seconds with faults of each seed; otherwise the seed decides. A storm whose seeds are
   * not counted is that long in all.
   */
  readonly seconds?: number;
  /** Prints what happened, in words. */
  readonly trace?: boolean;
  /** Numbers of the faults that strike; all when not given. */
  readonly onlyFaults?: readonly number[];
  /** What is wrong all the time, and is left out. */
  readonly without?: readonly LastingTrouble[];
  /** Runs that are made to find the fewest faults of a failing seed; 0 for none. */
  readonly minimizeRuns?: number;
  /** Prints one line per seed. */
  readonly verbose?: boolean;
  readonly print?: (line: string) => void;
  /** Wall clock in milliseconds, for `wallSeconds`: the simulator itself reads no time. */
  readonly wallClockMs?: () => number;
  /** Ends after this many failing seeds. Default: all seeds run. */
  readonly failureCountMax?: number;
}

/** A seed that broke an invariant. */
export interface SeedFailure {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
  readonly timeNs: number;
  /** Command that replays it. */
  readonly replay: string;
  /** The fewest faults with which it fails, and how; of the first failing seeds. */
  readonly story: SeedStory | undefined;
}

/** Sums over all seeds. */
export interface RunSeedsResult extends SimulationCounts {
  seeds: number;
  events: number;
  simulatedSeconds: number;
  wallSeconds: number;
  /** How many times faster than the clock on the wall; 0 when that is not known. */
  simulatedSecondsPerSecond: number;
  eventsPerSecond: number;
  /** Seeds with an election beyond the first and a crash. */
  seedsWithElectionAndCrash: number;
  /** Rare paths of the code that were taken, and how many there are. */
  marksHit: number;
  marksTotal: number;
  marksNeverHit: string[];
  /** Trace hash of the last seed. */
  traceHash: string;
  readonly failures: SeedFailure[];
}

/**
 * Runs seeds.
 *
 * @throws PawlError CONFIGURATION_INVALID for an unknown profile or a seed that is none.
 */
export function runSeeds(options: RunSeedsOptions): RunSeedsResult {
  const profile = concludeProfile(options.profile);
  const first = options.seed ?? options.firstSeed ?? 1;
  const lengths = safetyLengths(options, profile);
  checkInteger('seed', first, Number.MAX_SAFE_INTEGER - SEED_COUNT_MAX);
  checkInteger('seeds', lengths.count, SEED_COUNT_MAX);
  const arenas = new ArenaPool();
  const startMs = options.wallClockMs?.() ?? 0;
  const hitsBefore = markHits();
  const total = emptyResult();
  for (let seed = first; seed < first + lengths.count; seed++) {
    const safetyNs = lengths.safetyNs(seed - first);
    const simulated: SimulationOptions = {
      seed,
      arenas,
      profile,
      isTraced: options.trace ?? false,
      onlyFaults: options.onlyFaults,
      without: options.without,
      ...(safetyNs === undefined ? {} : { safetyNs }),
    };
    const result = new Simulation(simulated).run();
    const isTold = total.failures.length < STORIES_MAX && options.onlyFaults === undefined;
    const runs = isTold ? (options.minimizeRuns ?? 0) : 0;
    const story = runs > 0 ? storyOf(() => simulated, result, runs) : undefined;
    const replay = replayCommand(seed, profile, safetyNs);
    add(total, result, replay, story);
    report(options, result, replay, story);
    if (total.failures.length >= (options.failureCountMax ?? Number.POSITIVE_INFINITY)) {
      break;
    }
  }
  addMarks(total, hitsBefore);
  addRates(total, ((options.wallClockMs?.() ?? 0) - startMs) / MS_PER_SECOND);
  return total;
}

/** How many seeds there are, and how long the faults of each last. */
interface SafetyLengths {
  readonly count: number;
  /** Undefined when the seed decides. */
  safetyNs(index: number): number | undefined;
}

/**
 * A storm of many seconds is several seeds: each is another cluster with another mix of strengths,
 * and no log becomes so long that its many restarts are all there is.
 */
function safetyLengths(options: RunSeedsOptions, profile: Profile): SafetyLengths {
  const { seconds } = options;
  const isOne = options.seed !== undefined;
  if (seconds === undefined || isOne || options.seeds !== undefined || profile !== 'storm') {
    const count = isOne ? 1 : (options.seeds ?? 1);
    return { count, safetyNs: () => (seconds === undefined ? undefined : seconds * NS_PER_SECOND) };
  }
  const count = Math.ceil(seconds / STORM_SEED_SECONDS_MAX);
  const safetyNs = Math.floor((seconds * NS_PER_SECOND) / count);
  return { count, safetyNs: () => safetyNs };
}

function concludeProfile(profile: string | undefined): Profile {
  const known = PROFILES.find((name) => name === (profile ?? 'swarm'));
  if (known === undefined) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `profile is '${profile}': use one of ${PROFILES.join(', ')}`,
    );
  }
  return known;
}

function checkInteger(name: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `${name} is ${value}: use an integer from 0 to ${max}`,
    );
  }
}

function emptyResult(): RunSeedsResult {
  return {
    seeds: 0,
    events: 0,
    simulatedSeconds: 0,
    wallSeconds: 0,
    simulatedSecondsPerSecond: 0,
    eventsPerSecond: 0,
    ...emptyCounts(),
    seedsWithElectionAndCrash: 0,
    marksHit: 0,
    marksTotal: MARK_NAMES.length,
    marksNeverHit: [],
    traceHash: '',
    failures: [],
  };
}

function add(
  total: RunSeedsResult,
  result: SimulationResult,
  replay: string,
  story: SeedStory | undefined,
): void {
  const { counts, violation } = result;
  total.seeds++;
  total.events += result.events;
  total.simulatedSeconds += result.simulatedNs / NS_PER_SECOND;
  total.traceHash = result.traceHash;
  total.seedsWithElectionAndCrash += counts.elections > 1 && counts.crashes > 0 ? 1 : 0;
  addCounts(total, counts);
  if (violation !== undefined) {
    total.failures.push({ seed: result.seed, ...violation, replay, story });
  }
}

function addMarks(total: RunSeedsResult, before: Float64Array): void {
  const after = markHits();
  total.marksNeverHit = MARK_NAMES.filter((_, number) => after[number] === before[number]);
  total.marksHit = MARK_NAMES.length - total.marksNeverHit.length;
}

function addRates(total: RunSeedsResult, wallSeconds: number): void {
  total.wallSeconds = wallSeconds;
  if (wallSeconds > 0) {
    total.simulatedSecondsPerSecond = total.simulatedSeconds / wallSeconds;
    total.eventsPerSecond = total.events / wallSeconds;
  }
}

/** Runs one seed and draws its end. */
export function diagramOfSeed(options: RunSeedsOptions): string {
  const { entries, violation } = new Simulation({
    seed: options.seed ?? options.firstSeed ?? 1,
    arenas: new ArenaPool(),
    profile: concludeProfile(options.profile),
    isTraced: true,
    onlyFaults: options.onlyFaults,
    without: options.without,
    ...(options.seconds === undefined ? {} : { safetyNs: options.seconds * NS_PER_SECOND }),
  }).run();
  const ending = violation === undefined ? 'no failure' : violation.message;
  return sequenceDiagram(entries, { ending });
}

/** The command that replays a seed. */
export function replayCommand(seed: number, profile: Profile, safetyNs?: number): string {
  const profiled = profile === 'swarm' ? '' : ` --profile ${profile}`;
  const timed = safetyNs === undefined ? '' : ` --seconds ${safetyNs / NS_PER_SECOND}`;
  return `pawl simulate --seed ${seed}${profiled}${timed} --trace`;
}

function report(
  options: RunSeedsOptions,
  result: SimulationResult,
  replay: string,
  story: SeedStory | undefined,
): void {
  const { print } = options;
  if (print === undefined) {
    return;
  }
  for (const line of result.timeline) {
    print(line);
  }
  const { seed, violation } = result;
  if (violation !== undefined) {
    const ms = (violation.timeNs / 1_000_000).toFixed(3);
    print(`seed ${seed} FAILED ${violation.invariant} at ${ms} ms: ${violation.message}`);
    print(`  replay it: ${replay}`);
    for (const line of story === undefined ? [] : storyLines(story, replay)) {
      print(line);
    }
  } else if (options.verbose === true || options.trace === true || options.seed !== undefined) {
    const seconds = (result.simulatedNs / NS_PER_SECOND).toFixed(1);
    print(
      `seed ${seed} ok: trace ${result.traceHash}, ${result.events} events in ${seconds} s, ` +
        `${result.counts.acknowledged} of ${result.counts.commands} commands answered, ` +
        `${result.counts.elections} elections, ${result.counts.crashes} crashes`,
    );
  }
}
