// runner.ts: many seeds, one after another.

import { ErrorCode, PawlError } from '../errors.js';
import { ArenaPool } from './simulated-cluster.js';
import { Simulation, type SimulationResult } from './simulation.js';
import { PROFILES, type Profile } from './swarm.js';

const NS_PER_SECOND = 1_000_000_000;
const MS_PER_SECOND = 1_000;
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
  /** Simulated seconds of the safety phase of each seed; otherwise the seed decides. */
  readonly seconds?: number;
  /** Prints what happened, in words. */
  readonly trace?: boolean;
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
}

/** Sums over all seeds. */
export interface RunSeedsResult {
  seeds: number;
  events: number;
  simulatedSeconds: number;
  wallSeconds: number;
  commands: number;
  acknowledged: number;
  elections: number;
  truncations: number;
  catchUps: number;
  crashes: number;
  restarts: number;
  tornTails: number;
  diskFailures: number;
  lostDirectories: number;
  timersFired: number;
  rottenRanges: number;
  repairs: number;
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
  const count = options.seed === undefined ? (options.seeds ?? 1) : 1;
  checkInteger('seed', first, Number.MAX_SAFE_INTEGER - SEED_COUNT_MAX);
  checkInteger('seeds', count, SEED_COUNT_MAX);
  const arenas = new ArenaPool();
  const startMs = options.wallClockMs?.() ?? 0;
  const total = emptyResult();
  for (let seed = first; seed < first + count; seed++) {
    const simulation = new Simulation({
      seed,
      arenas,
      profile,
      isTraced: options.trace ?? false,
      ...(options.seconds === undefined ? {} : { safetyNs: options.seconds * NS_PER_SECOND }),
    });
    const result = simulation.run();
    add(total, result, profile);
    report(options, result, profile);
    if (total.failures.length >= (options.failureCountMax ?? Number.POSITIVE_INFINITY)) {
      break;
    }
  }
  total.wallSeconds = ((options.wallClockMs?.() ?? 0) - startMs) / MS_PER_SECOND;
  return total;
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
    commands: 0,
    acknowledged: 0,
    elections: 0,
    truncations: 0,
    catchUps: 0,
    crashes: 0,
    restarts: 0,
    tornTails: 0,
    diskFailures: 0,
    lostDirectories: 0,
    timersFired: 0,
    rottenRanges: 0,
    repairs: 0,
    traceHash: '',
    failures: [],
  };
}

function add(total: RunSeedsResult, result: SimulationResult, profile: Profile): void {
  total.seeds++;
  total.events += result.events;
  total.simulatedSeconds += result.simulatedNs / NS_PER_SECOND;
  total.traceHash = result.traceHash;
  const { counts, violation } = result;
  total.commands += counts.commands;
  total.acknowledged += counts.acknowledged;
  total.elections += counts.elections;
  total.truncations += counts.truncations;
  total.catchUps += counts.catchUps;
  total.crashes += counts.crashes;
  total.restarts += counts.restarts;
  total.tornTails += counts.tornTails;
  total.diskFailures += counts.diskFailures;
  total.lostDirectories += counts.lostDirectories;
  total.timersFired += counts.timersFired;
  total.rottenRanges += counts.rottenRanges;
  total.repairs += counts.repairs;
  if (violation !== undefined) {
    total.failures.push({
      seed: result.seed,
      ...violation,
      replay: replayCommand(result.seed, profile),
    });
  }
}

/** The command that replays a seed. */
export function replayCommand(seed: number, profile: Profile): string {
  const suffix = profile === 'swarm' ? '' : ` --profile ${profile}`;
  return `pawl simulate --seed ${seed}${suffix} --trace`;
}

function report(options: RunSeedsOptions, result: SimulationResult, profile: Profile): void {
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
    print(`  replay it: ${replayCommand(seed, profile)}`);
  } else if (options.verbose === true || options.trace === true || options.seed !== undefined) {
    const seconds = (result.simulatedNs / NS_PER_SECOND).toFixed(1);
    print(
      `seed ${seed} ok: trace ${result.traceHash}, ${result.events} events in ${seconds} s, ` +
        `${result.counts.acknowledged} of ${result.counts.commands} commands answered, ` +
        `${result.counts.elections} elections, ${result.counts.crashes} crashes`,
    );
  }
}
