// simulated-requester.ts: a machine whose process makes exactly-once requests.

import { ClusterClient } from '../client/cluster-client.js';
import type { ExactlyOnceClient, OpenSession } from '../client/exactly-once-client.js';
import {
  type ArenaPool,
  clientOptionsOn,
  clientTransport,
  giveLater,
  type SimulatedClientOptions,
} from './simulated-cluster.js';
import type { VirtualNode } from './virtual-node.js';
import type { VirtualProcess } from './virtual-process.js';

export interface RequesterProgram {
  /** Makes the client of the process. */
  make(open: OpenSession): ExactlyOnceClient;
  /** Called in every duty cycle, with the time of the process. Returns work done. */
  onTurn(client: ExactlyOnceClient, nowNs: number): number;
  /** When the next such call has to be, in the time of the process. */
  nextTurnNs(): number;
  onEnd?(): void;
}

/** Starts the process. Its client opens session after session by itself. */
export function startSimulatedRequester(
  node: VirtualNode,
  arenas: ArenaPool,
  options: SimulatedClientOptions,
  program: RequesterProgram,
): void {
  node.start((process: VirtualProcess) => {
    const arena = arenas.take();
    process.spawn('main', (ports) => {
      const { entropy } = ports;
      const transport = clientTransport(arena, ports);
      const concluded = clientOptionsOn(node, options);
      const { credentials } = options;
      const client = program.make(
        (handlers) =>
          new ClusterClient({ transport, entropy, options: concluded, handlers, credentials }),
      );
      return [
        {
          roleName: 'requester',
          doWork: (nowNs) => client.doWork(nowNs) + program.onTurn(client, nowNs),
          deadlineNs: () => Math.min(client.deadlineNs(), program.nextTurnNs()),
          close: () => {
            client.close();
            transport.close();
          },
        },
      ];
    });
    process.onEnd = () => {
      program.onEnd?.();
      giveLater(node.world, arenas, arena);
    };
  });
}
