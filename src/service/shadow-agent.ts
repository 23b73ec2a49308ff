// shadow-agent.ts: fresh instances of a service that do nothing but take snapshots.
//
// A run begins with a new instance: it is given the snapshot before, the log up to the event, and
// takes its snapshot there. Then it is dropped. What it says otherwise goes nowhere.

import type { ClusterConfig } from '../cluster/cluster-config.js';
import { ServiceChannel, type ServiceChannelPlace } from '../cluster/service-channel.js';
import { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import { type DedicatedService, ServiceAgent } from './service-agent.js';

export interface ShadowAgentOptions {
  readonly config: ClusterConfig;
  readonly memory: WebAssembly.Memory;
  readonly place: ServiceChannelPlace;
  /** Makes a fresh instance in a container of its own. */
  readonly makeService: () => DedicatedService;
  /** Tells the engine that there is something for it. */
  readonly wakeEngine: () => void;
}

/** Runs one instance at a time over a channel. */
export class ShadowAgent implements Agent {
  readonly roleName = 'shadow';
  readonly #options: ShadowAgentOptions;
  readonly #channel: ServiceChannel;
  #run = 0;
  #agent: ServiceAgent | undefined;

  constructor(options: ShadowAgentOptions) {
    this.#options = options;
    this.#channel = new ServiceChannel(Arena.attach(options.memory), options.place);
    // Of another thread over the same channel, which has ended.
    this.#run = this.#channel.endedRun;
  }

  doWork(nowNs: number): number {
    const { run } = this.#channel;
    if (this.#agent === undefined) {
      if (run === this.#run) {
        return 0;
      }
      const { makeService, ...options } = this.#options;
      this.#run = run;
      this.#agent = new ServiceAgent({ ...options, service: makeService() });
    }
    if (this.#channel.cancelledRun >= this.#run) {
      return this.#end();
    }
    const work = this.#agent.doWork(nowNs);
    return this.#agent.hasEndedSnapshot ? this.#end() : work;
  }

  deadlineNs(): number {
    return this.#agent?.deadlineNs() ?? Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.#agent?.close();
    this.#agent = undefined;
  }

  #end(): number {
    this.close();
    this.#channel.endedRun = this.#run;
    this.#options.wakeEngine();
    return 1;
  }
}
