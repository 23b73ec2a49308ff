// seed-run.ts: one seed of many: what all of them have in common, and what a run of one comes to.
//
// Plan and report are plain data: a seed may run on another thread than the one that adds it up.

import { ErrorCode, PawlError } from '../errors.js';
import { MARK_NAMES, markHits } from '../marks.js';
import type { Violation } from './invariants/judge.js';
import type { ArenaPool } from './simulated-cluster.js';
import { Simulation, type SimulationOptions } from './simulation.js';
import { emptyCounts, type SimulationCounts } from './simulation-counts.js';
import type { SeedStory } from './story/failing-seed.js';
import { storyOf } from './story/seed-story.js';
import type { LastingTrouble } from './swarm.js';
import { PROFILES, type Profile } from './swarm-profiles.js';

const NS_PER_SECOND = 1_000_000_000;
/** A storm is cut into seeds of at most this. */
const STORM_SEED_SECONDS_MAX = 60;
/** Seeds that one call runs at most. */
const SEED_COUNT_MAX = 100_000_000;

/** Which seeds run, and how. */
export interface SeedChoice {
  /** How many seeds to run. Default 1. */
  readonly seeds?: number;
  /** The first of them. Default 1. */
  readonly firstSeed?: number;
  /** One seed alone, to replay it. */
  readonly seed?: number;
  /** `swarm` (default), `quiet`, `storm` or `sparse`. */
  readonly profile?: string;
  /**
   * Simulated seconds with faults of each seed; otherwise the seed decides. A storm whose seeds are
   * not counted is that long in all.
   */
  readonly seconds?: number;
  /** Keeps what happened, in words. */
  readonly trace?: boolean;
  /** Numbers of the faults that strike; all when not given. */
  readonly onlyFaults?: readonly number[];
  /** What is wrong all the time, and is left out. */
  readonly without?: readonly LastingTrouble[];
  /** Runs that are made to find the fewest faults of a failing seed; 0 (default) for none. */
  readonly minimizeRuns?: number;
}

/** What the seeds of one call have in common. */
export interface SeedPlan {
  readonly first: number;
  readonly count: number;
  readonly profile: Profile;
  /** Simulated time with faults of each seed; undefined when the seed decides. */
  readonly safetyNs: number | undefined;
  readonly isTraced: boolean;
  readonly onlyFaults: readonly number[] | undefined;
  readonly without: readonly LastingTrouble[] | undefined;
  readonly minimizeRuns: number;
}

/** What a run of one seed came to. */
export interface SeedReport {
  readonly seed: number;
  readonly traceHash: string;
  readonly events: number;
  readonly simulatedNs: number;
  readonly counts: SimulationCounts;
  readonly violation: Violation | undefined;
  /** Command that replays it. */
  readonly replay: string;
  /** The fewest faults with which it fails, and how, when that was asked for. */
  readonly story: SeedStory | undefined;
  /** Numbers of the marks that its run hit; those of the runs that minimise it do not count. */
  readonly marks: readonly number[];
  /** What happened, in words; empty unless asked for. */
  readonly timeline: readonly string[];
}

/**
 * Concludes which seeds run, and for how long each.
 *
 * @throws PawlError CONFIGURATION_INVALID for an unknown profile or a seed that is none.
 */
export function planSeeds(choice: SeedChoice): SeedPlan {
  const profile = concludeProfile(choice.profile);
  const first = choice.seed ?? choice.firstSeed ?? 1;
  const { count, safetyNs } = concludeLengths(choice, profile);
  checkInteger('seed', first, Number.MAX_SAFE_INTEGER - SEED_COUNT_MAX);
  checkInteger('seeds', count, SEED_COUNT_MAX);
  return {
    first,
    count,
    profile,
    safetyNs,
    isTraced: choice.trace ?? false,
    onlyFaults: choice.onlyFaults,
    without: choice.without,
    minimizeRuns: choice.minimizeRuns ?? 0,
  };
}

/**
 * A storm of many seconds is several seeds: each is another cluster with another mix of strengths,
 * and no log becomes so long that its many restarts are all there is.
 */
function concludeLengths(
  { seconds, seed, seeds }: SeedChoice,
  profile: Profile,
): Pick<SeedPlan, 'count' | 'safetyNs'> {
  const isOne = seed !== undefined;
  if (seconds === undefined || isOne || seeds !== undefined || profile !== 'storm') {
    const safetyNs = seconds === undefined ? undefined : seconds * NS_PER_SECOND;
    return { count: isOne ? 1 : (seeds ?? 1), safetyNs };
  }
  const count = Math.ceil(seconds / STORM_SEED_SECONDS_MAX);
  return { count, safetyNs: Math.floor((seconds * NS_PER_SECOND) / count) };
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

/** What a simulation of a seed of the plan is made with. */
export function simulationOptions(
  plan: SeedPlan,
  seed: number,
  arenas: ArenaPool,
): SimulationOptions {
  const { isTraced, onlyFaults, profile, safetyNs, without } = plan;
  return {
    seed,
    arenas,
    profile,
    isTraced,
    onlyFaults,
    without,
    ...(safetyNs === undefined ? {} : { safetyNs }),
  };
}

/**
 * Runs one seed.
 *
 * @param isTold should the seed fail, it is minimised and told, as far as the plan has it.
 */
export function runSeed(
  plan: SeedPlan,
  seed: number,
  arenas: ArenaPool,
  isTold: boolean,
): SeedReport {
  const options = simulationOptions(plan, seed, arenas);
  const before = markHits();
  const result = new Simulation(options).run();
  const marks = marksSince(before);
  const runs = isTold && plan.onlyFaults === undefined ? plan.minimizeRuns : 0;
  const { counts, events, simulatedNs, timeline, traceHash, violation } = result;
  return {
    seed,
    traceHash,
    events,
    simulatedNs,
    counts,
    violation,
    replay: replayCommand(seed, plan.profile, plan.safetyNs),
    story: runs > 0 ? storyOf(() => options, result, runs) : undefined,
    marks,
    timeline,
  };
}

/** Who is said to have found a seed that took down what ran it. */
export const LOST_SEED_JUDGE = 'thread';

/** A seed that took down what ran it, and of which nothing else is known. */
export function lostSeed(plan: SeedPlan, seed: number, message: string): SeedReport {
  return {
    seed,
    traceHash: '',
    events: 0,
    simulatedNs: 0,
    counts: emptyCounts(),
    violation: { invariant: LOST_SEED_JUDGE, message, timeNs: 0 },
    replay: replayCommand(seed, plan.profile, plan.safetyNs),
    story: undefined,
    marks: [],
    timeline: [],
  };
}

function marksSince(before: Float64Array): number[] {
  const after = markHits();
  return MARK_NAMES.map((_, number) => number).filter((number) => after[number] !== before[number]);
}

/** The command that replays a seed. */
export function replayCommand(seed: number, profile: Profile, safetyNs?: number): string {
  const profiled = profile === 'swarm' ? '' : ` --profile ${profile}`;
  const timed = safetyNs === undefined ? '' : ` --seconds ${safetyNs / NS_PER_SECOND}`;
  return `pawl simulate --seed ${seed}${profiled}${timed} --trace`;
}
