// hunt.ts: runs seeds of a build with a mutant until one of its judges stops a run.
//
// This file is the entry of every mutant's bundle, and runs as a process of its own: what a mutant
// breaks, breaks here. The order comes as JSON in the only argument, the outcome leaves as JSON.

import { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { Simulation } from '../../src/simulator/simulation.js';
import type { Profile } from '../../src/simulator/swarm-profiles.js';
import { runChannel } from '../support/channel/channel-model.js';

const NS_PER_SECOND = 1_000_000_000;

/** What to run. */
export interface HuntOrder {
  readonly judges: readonly string[];
  readonly stage: 'cluster' | 'channel';
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

/** How one run ended. */
interface RunEnd {
  readonly events: number;
  /** Who stopped it; undefined when nobody did. */
  readonly invariant: string | undefined;
  readonly message: string;
}

type Runner = (seed: number) => RunEnd;

/** Whole clusters. */
function clusterRunner({ profile, seconds }: HuntOrder): Runner {
  const arenas = new ArenaPool();
  const safetyNs = seconds * NS_PER_SECOND;
  return (seed) => {
    const { events, violation } = new Simulation({ seed, arenas, profile, safetyNs }).run();
    return { events, invariant: violation?.invariant, message: violation?.message ?? '' };
  };
}

/** Both sides of a service channel; what is thrown otherwise does not count. */
const runSchedule: Runner = (seed) => {
  try {
    const { judge, message, stepCount } = runChannel(seed);
    return { events: stepCount, invariant: judge, message };
  } catch (error) {
    return { events: 0, invariant: 'exception', message: String(error) };
  }
};

function hunt(order: HuntOrder): HuntOutcome {
  const run = order.stage === 'channel' ? runSchedule : clusterRunner(order);
  const others: Record<string, number> = {};
  let events = 0;
  let otherMessage = '';
  const lastSeed = order.firstSeed + order.seedCountMax - 1;
  for (let seed = order.firstSeed; seed <= lastSeed; seed++) {
    const end = run(seed);
    events += end.events;
    const { invariant: judge, message } = end;
    if (judge === undefined) {
      continue;
    }
    const seedCount = seed - order.firstSeed + 1;
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
