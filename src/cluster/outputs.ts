// outputs.ts: the output of all services of a member, each compared by itself.

import type { Arena } from '../memory/arena.js';
import type { Divergence } from './divergence.js';
import { OutputHistory } from './output-history.js';
import {
  type OutputHashMessage,
  OutputMonitor,
  type OutputMonitorParts,
} from './output-monitor.js';
import type { Services } from './services.js';

/** What a monitor gets, but for what is its service's own. */
export interface OutputsParts
  extends Omit<OutputMonitorParts, 'serviceId' | 'history' | 'servicePosition'> {
  readonly arena: Arena;
  readonly services: Services;
}

interface Compared {
  readonly history: OutputHistory;
  readonly monitor: OutputMonitor;
}

/** Histories and monitors by service id. */
export class Outputs {
  readonly #compared: readonly Compared[];

  constructor(parts: OutputsParts) {
    this.#compared = parts.services.hosts.map((host) => {
      const history = new OutputHistory(parts.arena);
      const { serviceId } = host;
      const servicePosition = () => host.position;
      const monitor = new OutputMonitor({ ...parts, serviceId, history, servicePosition });
      return { history, monitor };
    });
  }

  /** Where a service's container keeps what it has put out. */
  historyOf(serviceId: number): OutputHistory {
    return (this.#compared[serviceId] as Compared).history;
  }

  /** The difference that was told last, of the first service that has one. */
  get divergence(): Divergence | undefined {
    return this.#compared.find(({ monitor }) => monitor.divergence !== undefined)?.monitor
      .divergence;
  }

  get comparedCount(): number {
    return this.#compared.reduce((sum, { monitor }) => sum + monitor.comparedCount, 0);
  }

  get divergenceCount(): number {
    return this.#compared.reduce((sum, { monitor }) => sum + monitor.divergenceCount, 0);
  }

  doWork(nowNs: number): number {
    let work = 0;
    for (const { monitor } of this.#compared) {
      work += monitor.doWork(nowNs);
    }
    return work;
  }

  deadlineNs(): number {
    let deadlineNs = Number.POSITIVE_INFINITY;
    for (const { monitor } of this.#compared) {
      deadlineNs = Math.min(deadlineNs, monitor.deadlineNs());
    }
    return deadlineNs;
  }

  /** False when the message is dropped. */
  onOutputHash(from: number, message: OutputHashMessage, nowNs: number): boolean {
    return this.#compared[message.serviceId]?.monitor.onOutputHash(from, message, nowNs) ?? false;
  }

  close(): void {
    for (const { history } of this.#compared) {
      history.close();
    }
  }
}
