// simulate.ts: a user's own service and workload under the faults of the swarm.
//
// Each seed is a cluster of members that run the service, clients that run the workload, and bad
// luck. The judges of the simulator watch the cluster; the divergence judge watches the service.

import type { ClusteredService } from '../../service/clustered-service.js';
import { describeError } from '../describe-error.js';
import { GlobalGuard } from '../global-guard.js';
import type { Violation } from '../invariants/judge.js';
import { LOST_SEED_JUDGE } from '../seed-run.js';
import { ArenaPool } from '../simulated-cluster.js';
import { Simulation } from '../simulation.js';
import {
  faultLines,
  MINIMIZE_RUNS_MAX,
  type SeedStory,
  type Selection,
  tellSeed,
} from '../story/failing-seed.js';
import { FaultClass, ROTTING, SESSION_COUNT_MAX, type Swarm } from '../swarm.js';
import { PROFILES, type Profile } from '../swarm-profiles.js';
import type { Divergence, DivergenceFocus } from './divergence-judge.js';
import { divergenceText } from './divergence-text.js';
import { checkSimulateOptions, SEEDS_DEFAULT, type SimulateOptions } from './simulate-options.js';
import {
  type SimulateFailure,
  type SimulateReport,
  type UserRun,
  UserSums,
  warningsOf,
} from './simulate-report.js';
import { UserApplication } from './user-application.js';

const NS_PER_SECOND = 1_000_000_000;
const NS_PER_MS = 1_000_000;
const POWER_CUT_MEMBERS_MIN = 3;
/** Snapshots of a run, about, at least. */
const SNAPSHOTS_MIN = 8;

/**
 * Runs a service and its workload in simulated clusters, one for each seed.
 *
 * @throws PawlError CONFIGURATION_INVALID for an option that makes no sense.
 */
export function simulate<S extends ClusteredService>(options: SimulateOptions<S>): SimulateReport {
  checkSimulateOptions(options);
  const arenas = new ArenaPool();
  const sums = new UserSums();
  const { failures } = sums.report;
  const first = options.firstSeed ?? 1;
  const count = options.seeds ?? SEEDS_DEFAULT;
  for (let seed = first; seed < first + count; seed++) {
    const failure = judgeSeed(options, seed, arenas, sums);
    if (failure !== undefined) {
      failures.push(failure);
    }
    options.onSeed?.(seed, failure?.message);
    const isLost = failure?.judge === LOST_SEED_JUDGE;
    if (isLost || failures.length >= (options.failures ?? 1)) {
      break;
    }
  }
  return sums.report;
}

/** Runs a seed and adds it up. What escapes its run fails it, and no other is run. */
function judgeSeed<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  arenas: ArenaPool,
  sums: UserSums,
): SimulateFailure | undefined {
  try {
    const run = runSeed(options, seed, arenas);
    sums.add(run);
    return run.violation === undefined
      ? undefined
      : explain(options, seed, arenas, run, run.violation);
  } catch (error) {
    return {
      seed,
      judge: LOST_SEED_JUDGE,
      message: describeError(error),
      timeMs: 0,
      divergence: undefined,
      replay: replayText(seed),
      faults: [],
      timeline: [],
      diagram: '',
    };
  }
}

function replayText(seed: number): string {
  return `simulate({ ...options, firstSeed: ${seed}, seeds: 1 })`;
}

/** How a run of a seed differs from the first one. */
interface Variation {
  readonly focus?: DivergenceFocus;
  readonly isTraced?: boolean;
  readonly selection?: Selection;
  readonly untilNs?: number;
}

/** Runs a seed; again with the same seed and options gives the same run. */
function runSeed<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  arenas: ArenaPool,
  variation: Variation = {},
): UserRun {
  const { focus, selection, untilNs } = variation;
  const guard = options.guard === false ? undefined : new GlobalGuard();
  let made: UserApplication<S> | undefined;
  const simulation = new Simulation({
    seed,
    arenas,
    profile: profileOf(options),
    isTraced: variation.isTraced ?? false,
    onlyFaults: selection?.only,
    without: selection?.without,
    ...(untilNs === undefined ? {} : { untilNs }),
    guard: guard ?? false,
    adjust: (swarm) => adjusted(options, swarm),
    makeApplication: (world, judge) => {
      made = new UserApplication({ options, world, judge, arenas, guard, focus });
      return made;
    },
  });
  const result = simulation.run();
  const application = made as UserApplication<S> | undefined;
  if (application !== undefined && result.violation === undefined) {
    finish(options, seed, application, guard);
  }
  const { judge } = simulation;
  return {
    result,
    violation: judge.violation,
    divergence: application?.divergence,
    calls: application?.calls.all() ?? [],
    comparedEvents: application?.judge.comparedCount ?? 0,
    comparedStates: application?.judge.comparedStateCount ?? 0,
    queries: application?.queryCount ?? 0,
    comparedAnswers: application?.queries.comparedCount ?? 0,
    warnings: application === undefined ? new Map() : warningsOf(application),
    text: textOf(application),
  };
}

function textOf<S extends ClusteredService>(
  application: UserApplication<S> | undefined,
): string | undefined {
  const divergence = application?.divergence;
  return application === undefined || divergence === undefined
    ? undefined
    : divergenceText(divergence, application.calls);
}

/** What is judged when all members are equal: the ends, a replay of the log, the user's check. */
function finish<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  application: UserApplication<S>,
  guard: GlobalGuard | undefined,
): void {
  const run = <T>(code: () => T): T => (guard === undefined ? code() : guard.run(code));
  application.report('fatal', () => {
    const messages = run(() => {
      application.checkEnd();
      return application.isReplayable ? application.replay() : [];
    });
    application.report('check', () =>
      options.check?.({ seed, services: application.services, messages }),
    );
    return undefined;
  });
}

/**
 * A failure in words. A divergence is looked at again, by running the seed again: first every event
 * since the members were last seen equal, then the one event with the states in words.
 */
function explain<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  arenas: ArenaPool,
  run: UserRun,
  violation: Violation,
): SimulateFailure {
  let best = run;
  if (run.divergence !== undefined && !IS_WHOLE.includes(run.divergence.kind)) {
    best = again(options, seed, arenas, best);
    best = again(options, seed, arenas, best);
  }
  const found = best.violation ?? violation;
  const isDivergence = found.invariant === 'divergence';
  const story = tellRun(options, seed, arenas, run, violation);
  return {
    seed,
    judge: found.invariant,
    message: isDivergence ? (best.text ?? found.message) : found.message,
    timeMs: found.timeNs / NS_PER_MS,
    divergence: isDivergence ? best.divergence : undefined,
    replay: replayText(seed),
    faults: options.minimize === false ? [] : faultLines(story),
    timeline: story.lines,
    diagram: story.diagram,
  };
}

/** Kinds of which everything is known at once. */
const IS_WHOLE: readonly Divergence['kind'][] = ['local', 'answer'];

function tellRun<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  arenas: ArenaPool,
  { result }: UserRun,
  violation: Violation,
): SeedStory {
  return tellSeed({
    violation,
    struck: result.struck,
    safetyEndNs: result.safetyEndNs,
    runsMax: options.minimize === false ? 0 : MINIMIZE_RUNS_MAX,
    run: (selection, isTraced, untilNs) => {
      const run = runSeed(options, seed, arenas, { selection, isTraced, untilNs });
      const { entries, struck } = run.result;
      return { violation: run.violation, entries, struck };
    },
  });
}

/** The run that tells more, or the one before where the seed does not repeat itself. */
function again<S extends ClusteredService>(
  options: SimulateOptions<S>,
  seed: number,
  arenas: ArenaPool,
  run: UserRun,
): UserRun {
  const { divergence } = run;
  if (divergence === undefined) {
    return run;
  }
  const next = runSeed(options, seed, arenas, {
    focus: {
      fromPosition: divergence.equalPosition - 1,
      toPosition: divergence.position,
      textPosition: divergence.position,
    },
  });
  return next.divergence === undefined ? run : next;
}

function profileOf<S extends ClusteredService>({ faults }: SimulateOptions<S>): Profile {
  return PROFILES.find((profile) => profile === faults) ?? 'swarm';
}

/** What the options fix, in place of what the seed decided. */
function adjusted<S extends ClusteredService>(options: SimulateOptions<S>, swarm: Swarm): Swarm {
  const { clients, commandsPerSecond, faults, members, queriesPerSecond, seconds } = options;
  const classes = Array.isArray(faults) ? (faults as FaultClass[]) : swarm.faults;
  const needsMembers = classes.some((fault) => LOSES_LOG.includes(fault)) && Array.isArray(faults);
  const memberCount =
    members ?? (needsMembers ? Math.max(3, swarm.memberCount) : swarm.memberCount);
  const safetyNs = seconds === undefined ? swarm.safetyNs : seconds * NS_PER_SECOND;
  const isRotting = Array.isArray(faults) && classes.some((fault) => ROTTING.includes(fault));
  const isPowerCut = Array.isArray(faults) && classes.includes(FaultClass.PowerCut);
  return {
    ...swarm,
    memberCount,
    durability: isPowerCut ? 'fsync' : swarm.durability,
    isRecorderInline: swarm.isRecorderInline && !isPowerCut,
    faults: classes.filter(
      (fault) => memberCount >= POWER_CUT_MEMBERS_MIN || !LOSES_LOG.includes(fault),
    ),
    ...snapshotsOf({ ...swarm, faults: classes }, safetyNs),
    // The one good copy of a range may be what others have purged.
    logRetention: isRotting ? 'all' : swarm.logRetention,
    // Where sessions are few, they are as many as the clients, which may be more now.
    sessionCountMax:
      (clients ?? 0) > swarm.sessionCountMax ? SESSION_COUNT_MAX : swarm.sessionCountMax,
    safetyNs,
    workload: {
      ...swarm.workload,
      clientCount: clients ?? swarm.workload.clientCount,
      intervalNs:
        commandsPerSecond === undefined
          ? swarm.workload.intervalNs
          : Math.ceil(NS_PER_SECOND / commandsPerSecond),
      ...(queriesPerSecond === undefined
        ? {}
        : { readIntervalNs: Math.ceil(NS_PER_SECOND / queriesPerSecond) }),
    },
  };
}

/** A service that can take snapshots takes some in every run in which processes may end. */
function snapshotsOf(swarm: Swarm, safetyNs: number): Partial<Swarm> {
  const maxMs = Math.ceil(safetyNs / NS_PER_MS / SNAPSHOTS_MIN);
  const drawnMs = swarm.snapshotIntervalMs === 0 ? maxMs : swarm.snapshotIntervalMs;
  return swarm.faults.length === 0 ? {} : { snapshotIntervalMs: Math.min(drawnMs, maxMs) };
}

const LOSES_LOG: readonly FaultClass[] = [FaultClass.LostDirectory, FaultClass.DamagedLog];
