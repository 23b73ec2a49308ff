// shadow-worker.ts: the thread on which fresh instances of a service take snapshots.

import { parentPort, workerData } from 'node:worker_threads';
import { concludeClusterConfig } from '../cluster/cluster-config.js';
import type { ServiceFactory } from '../service/clustered-service.js';
import { ServiceContainer } from '../service/service-container.js';
import { ShadowAgent } from '../service/shadow-agent.js';
import { NodeClock } from './node-clock.js';
import type { ShadowBoot } from './node-shadow.js';
import { WakeCell } from './wake-cell.js';
import { WorkerControl } from './worker-control.js';
import { runAgent } from './worker-loop.js';

const boot = workerData as ShadowBoot;
const engineCell = new WakeCell(boot.mainCells, boot.mainIndex);
const control = new WorkerControl(engineCell, boot.controlMemory);

/** Runs until it is told to stop, or fails. */
async function runShadow(): Promise<void> {
  try {
    const { createService } = (await import(boot.module)) as { createService: ServiceFactory };
    const agent = new ShadowAgent({
      config: concludeClusterConfig(boot.cluster, boot.member),
      memory: boot.memory,
      place: boot.place,
      makeService: () => new ServiceContainer(createService),
      wakeEngine: () => engineCell.signal(),
    });
    runAgent(agent, control, new NodeClock(boot.clockOrigin));
    agent.close();
  } catch (error) {
    // The member goes on without this snapshot, and says why.
    parentPort?.postMessage(error instanceof Error ? error.message : String(error));
  }
}

await runShadow();
