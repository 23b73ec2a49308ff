// index.ts: the simulator's public entry.

export type { Violation } from './invariants/judge.js';
export {
  type RunSeedsOptions,
  type RunSeedsResult,
  replayCommand,
  runSeeds,
  type SeedFailure,
} from './runner.js';
export { ArenaPool } from './simulated-cluster.js';
export {
  Simulation,
  type SimulationCounts,
  type SimulationOptions,
  type SimulationResult,
} from './simulation.js';
export { PROFILES, type Profile } from './swarm.js';
export { World } from './world.js';
