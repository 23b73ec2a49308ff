// simulate-worker.ts: the thread on which seeds run that `pawl simulate` hands out.

import { parentPort, workerData } from 'node:worker_threads';
import { runSeed, type SeedPlan } from '../simulator/seed-run.js';
import { ArenaPool } from '../simulator/simulated-cluster.js';
import type { SeedOrder } from './seed-threads.js';

const plan = workerData as SeedPlan;
const arenas = new ArenaPool();

// What a seed throws ends the thread, and is the parent's to report.
parentPort?.on('message', (order: SeedOrder) => {
  if (order === 'end') {
    parentPort?.close();
  } else {
    parentPort?.postMessage(runSeed(plan, order.seed, arenas, order.isTold));
  }
});
