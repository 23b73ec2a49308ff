// conclude-swarm.ts: what a run is, as its seed and its caller decide together.

import { NO_MESSAGES } from './message-chain.js';
import { Prng } from './prng.js';
import type { SimulationOptions } from './simulation.js';
import { type Swarm, withoutTrouble } from './swarm.js';
import { drawSwarm } from './swarm-profiles.js';

/** Faults that a run has about, at least. */
const FAULTS_MIN = 10;

/**
 * Where a caller brings what runs, nobody is asked who he is, and nobody gives orders. Of what its
 * service does nothing is known but to the caller.
 */
const NO_OPERATIONS = {
  ...{ isAuthenticated: false, intruderCount: 0, operatorIntervalNs: 0 },
  shutdownIntervalNs: 0,
  ...{ messages: NO_MESSAGES, shadowEvery: 0 },
};

/** What the seed and the caller decide together. */
export function concludeSwarm(options: SimulationOptions): Swarm {
  const { makeApplication, profile = 'swarm', safetyNs, seed } = options;
  const drawn = drawSwarm(new Prng(seed, 'swarm'), profile);
  const adjusted = withoutTrouble(options.adjust?.(drawn) ?? drawn, options.without ?? []);
  // A run that a caller shortens, or whose clients are the caller's, may have fewer commands.
  const isWhole = safetyNs === undefined && makeApplication === undefined;
  return {
    ...adjusted,
    ...(makeApplication === undefined ? {} : NO_OPERATIONS),
    safetyNs: safetyNs ?? adjusted.safetyNs,
    // A short run has its faults too.
    faultIntervalNs: Math.ceil(
      Math.min(adjusted.faultIntervalNs, (safetyNs ?? adjusted.safetyNs) / FAULTS_MIN),
    ),
    commandCountMin: isWhole ? adjusted.commandCountMin : 0,
  };
}
