// index.ts: the simulator's public entry.

export type { Violation } from './invariants/judge.js';
export {
  CHECK_LIMITS,
  type CheckLimits,
  type CheckOptions,
  type CheckResult,
  checkHistory,
  type KeyUnknown,
  type KeyViolation,
} from './linearizability/check.js';
export { explainViolation } from './linearizability/explanation.js';
export {
  type History,
  HistoryBuilder,
  type HistoryEvent,
  type HistoryOptions,
  type Operation,
} from './linearizability/history.js';
export { type ReadHistory, type ReadOptions, readHistory } from './linearizability/history-text.js';
export { diagramOfSeed, type RunSeedsOptions, runSeeds } from './runner.js';
export { replayCommand } from './seed-run.js';
export type { RunSeedsResult, SeedFailure } from './seed-sums.js';
export { ArenaPool } from './simulated-cluster.js';
export { Simulation, type SimulationOptions, type SimulationResult } from './simulation.js';
export type { SimulationCounts } from './simulation-counts.js';
export { MINIMIZE_RUNS_MAX, type SeedStory } from './story/failing-seed.js';
export { sequenceDiagram } from './story/mermaid.js';
export { FaultClass, LastingTrouble } from './swarm.js';
export { PROFILES, type Profile } from './swarm-profiles.js';
export type { Divergence } from './user/divergence-judge.js';
export type { ForbiddenCall } from './user/forbidden-calls.js';
export { simulate } from './user/simulate.js';
export type {
  AnsweredQuery,
  LogMessage,
  Random,
  SimulateOptions,
  SimulationEnd,
  WorkloadClient,
  WorkloadContext,
} from './user/simulate-options.js';
export type { SimulateFailure, SimulateReport } from './user/simulate-report.js';
export type { StateDifference } from './user/state-sinks.js';
export { World } from './world.js';
