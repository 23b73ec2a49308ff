// hunt.ts: runs seeds of a build with a mutant until one of its judges stops a run.
//
// This file is the entry of every mutant's bundle, and runs as a process of its own: what a mutant
// breaks, breaks here. The order comes as JSON in the only argument, the outcome leaves as JSON.

import { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { Simulation } from '../../src/simulator/simulation.js';
import type { Profile } from '../../src/simulator/swarm-profiles.js';

const NS_PER_SECOND = 1_000_000_000;

/** What to run. */
export interface HuntOrder {
  readonly judges: readonly string[];
  readonly profile: Profile;
  readonly seconds: number;
  readonly firstSeed: number;
  readonly seedCountMax: number;
}

/** How it ended. */
export interface HuntOutcome {
  /** The judge that stopped a run; undefined when none did within the seeds. */
  readonly judge: string | undefined;
  readonly message: string;
  readonly seed: number;
  /** Seeds that ran, the last one included. */
  readonly seedCount: number;
  readonly events: number;
  /** Runs that ended otherwise, by what ended them: they do not count. */
  readonly others: Readonly<Record<string, number>>;
  /** The message of the first of those. */
  readonly otherMessage: string;
}

function hunt(order: HuntOrder): HuntOutcome {
  const arenas = new ArenaPool();
  const others: Record<string, number> = {};
  let events = 0;
  let otherMessage = '';
  const lastSeed = order.firstSeed + order.seedCountMax - 1;
  for (let seed = order.firstSeed; seed <= lastSeed; seed++) {
    const safetyNs = order.seconds * NS_PER_SECOND;
    const result = new Simulation({ seed, arenas, profile: order.profile, safetyNs }).run();
    events += result.events;
    const { violation } = result;
    if (violation === undefined) {
      continue;
    }
    const seedCount = seed - order.firstSeed + 1;
    const { invariant: judge, message } = violation;
    if (order.judges.includes(judge)) {
      return { judge, message, seed, seedCount, events, others, otherMessage };
    }
    others[judge] = (others[judge] ?? 0) + 1;
    otherMessage ||= `seed ${seed} ${judge}: ${message}`;
  }
  const seedCount = order.seedCountMax;
  return {
    judge: undefined,
    message: '',
    seed: lastSeed,
    seedCount,
    events,
    others,
    otherMessage,
  };
}

const order = JSON.parse(process.argv[2] ?? '{}') as HuntOrder;
process.stdout.write(`${JSON.stringify(hunt(order))}\n`);
