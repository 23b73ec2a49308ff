// simulate-report.ts: what the seeds of a user's service came to, and of what the user is warned.

import type { ClusteredService } from '../../service/clustered-service.js';
import type { Violation } from '../invariants/judge.js';
import type { SimulationResult } from '../simulation.js';
import type { SimulationCounts } from '../simulation-counts.js';
import type { Divergence } from './divergence-judge.js';
import type { ForbiddenCall } from './forbidden-calls.js';
import { STATE_ROOT } from './state-sinks.js';
import type { UserApplication } from './user-application.js';

const NS_PER_SECOND = 1_000_000_000;

/** A seed that failed. */
export interface SimulateFailure {
  readonly seed: number;
  /**
   * Who found it: `divergence`, `workload`, `check`, `fatal`, or an invariant of the cluster;
   * `thread` for what escaped the run itself, after which no other seed is run.
   */
  readonly judge: string;
  /** In words, in several lines. */
  readonly message: string;
  /** Virtual time at which it was found. */
  readonly timeMs: number;
  /** What differs, for the judge `divergence`. */
  readonly divergence: Divergence | undefined;
  /** The options that run this seed again. */
  readonly replay: string;
  /** The fewest faults with which it fails, in words; empty with `minimize: false`. */
  readonly faults: readonly string[];
  /** What happened until it failed, with these faults alone: the last lines. */
  readonly timeline: readonly string[];
  /** The end of that as a sequence diagram in Mermaid's language. */
  readonly diagram: string;
}

/** Sums over all seeds. */
export interface SimulateReport {
  seeds: number;
  events: number;
  simulatedSeconds: number;
  /** Commands that the log took, and messages that reached clients. */
  commands: number;
  replies: number;
  elections: number;
  crashes: number;
  restarts: number;
  truncations: number;
  catchUps: number;
  /** Snapshots that members took, and starts from one. */
  snapshots: number;
  snapshotLoads: number;
  /** Events at which an instance was compared with the first one there; states among them. */
  comparedEvents: number;
  comparedStates: number;
  /** Queries that were answered, and answers that a replay was asked for as well. */
  queries: number;
  comparedAnswers: number;
  /** Clocks and dice that the service called, whether or not they made a difference yet. */
  readonly calls: ForbiddenCall[];
  readonly warnings: string[];
  readonly failures: SimulateFailure[];
}

/** By what they are about: of each only the first is told. */
export type Warnings = ReadonlyMap<string, string>;

/** One run of one seed. */
export interface UserRun {
  readonly result: SimulationResult;
  readonly violation: Violation | undefined;
  readonly divergence: Divergence | undefined;
  readonly calls: readonly ForbiddenCall[];
  readonly comparedEvents: number;
  readonly comparedStates: number;
  readonly queries: number;
  readonly comparedAnswers: number;
  readonly warnings: Warnings;
  readonly text: string | undefined;
}

const NO_REPLAY =
  'the log of a seed was too long to be kept, and was not given to a fresh instance at its end: ' +
  'make seconds or commandsPerSecond smaller';

const NO_QUERY_REPLAY =
  'the queries of a seed were too many to be kept, and were not all given to a fresh instance at ' +
  'its end: make seconds or queriesPerSecond smaller';
const NO_QUERIES =
  'the service has an onQuery, and the workload never asks it: give the workload a nextQuery()';

const NO_REQUESTS =
  'the service has an onRequest, and no workload of simulate() sends requests: what it does was ' +
  'not run. Have onSessionMessage call what does the work, and give that as commands';
const NO_STATE =
  'no state can be seen: private fields (#name) and closures are hidden from the judge. Only ' +
  'what the service sends was compared; give simulate() a stateOf(service), or the service a ' +
  'stateHash()';

/** What of a run was not looked at, and what to do about it. */
export function warningsOf<S extends ClusteredService>(application: UserApplication<S>): Warnings {
  const { hiddenPaths, queries, services } = application;
  const isAsked = !services.some((service) => service?.onQuery !== undefined);
  const warnings = new Map<string, string>();
  for (const [isRight, text] of [
    [application.isReplayable, NO_REPLAY],
    [queries.isComplete, NO_QUERY_REPLAY],
    [isAsked || application.hasQueries, NO_QUERIES],
    [!services.some((service) => service?.onRequest !== undefined), NO_REQUESTS],
  ] as const) {
    if (!isRight) {
      warnings.set(text, text);
    }
  }
  for (const [className, path] of hiddenPaths) {
    warnings.set(
      `class ${className}`,
      path === STATE_ROOT ? NO_STATE : hiddenText(className, path),
    );
  }
  return warnings;
}

function hiddenText(className: string, path: string): string {
  return (
    `nothing of ${path} can be seen, nor of other objects of its class ${className}: what it ` +
    'holds in private fields (#name) or closures was not compared. Where it holds anything, give ' +
    'simulate() a stateOf(service) that reads it, or the service a stateHash()'
  );
}

function emptyReport(): SimulateReport {
  return {
    seeds: 0,
    events: 0,
    simulatedSeconds: 0,
    commands: 0,
    replies: 0,
    elections: 0,
    crashes: 0,
    restarts: 0,
    truncations: 0,
    catchUps: 0,
    snapshots: 0,
    snapshotLoads: 0,
    comparedEvents: 0,
    comparedStates: 0,
    queries: 0,
    comparedAnswers: 0,
    calls: [],
    warnings: [],
    failures: [],
  };
}

/** Sums of what happened in runs, and of what was compared. */
const COUNTED = [
  'commands',
  'elections',
  'crashes',
  'restarts',
  'truncations',
  'catchUps',
  'snapshots',
  'snapshotLoads',
] as const satisfies readonly (keyof SimulateReport & keyof SimulationCounts)[];
const COMPARED = [
  'comparedEvents',
  'comparedStates',
  'queries',
  'comparedAnswers',
] as const satisfies readonly (keyof SimulateReport & keyof UserRun)[];

/** Adds up the runs of seeds. */
export class UserSums {
  readonly report = emptyReport();
  readonly #warned = new Set<string>();

  add(run: UserRun): void {
    const { report } = this;
    const { counts, events, simulatedNs } = run.result;
    report.seeds++;
    report.events += events;
    report.simulatedSeconds += simulatedNs / NS_PER_SECOND;
    report.replies += counts.acknowledged;
    for (const name of COUNTED) {
      report[name] += counts[name];
    }
    for (const name of COMPARED) {
      report[name] += run[name];
    }
    for (const call of run.calls) {
      this.#addCall(call);
    }
    for (const [subject, text] of run.warnings) {
      if (!this.#warned.has(subject)) {
        this.#warned.add(subject);
        report.warnings.push(text);
      }
    }
  }

  #addCall(call: ForbiddenCall): void {
    const known = this.report.calls.find(
      ({ name, place }) => name === call.name && place === call.place,
    );
    if (known === undefined) {
      this.report.calls.push({ ...call });
    } else {
      known.count += call.count;
    }
  }
}
