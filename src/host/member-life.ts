// member-life.ts: one life of a member in this process, on one thread or on two.

import type { ClusterConfig, ClusterSettings, MemberSettings } from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import { Arena } from '../memory/arena.js';
import type { ServiceContainer } from '../service/service-container.js';
import type { IdleStrategy } from './event-loop.js';
import { MemberEngine, type MemberEvent } from './member-engine.js';
import { NodeClock } from './node-clock.js';
import { WakeCell } from './wake-cell.js';

/** What a life is made of. */
export interface MemberLifeOptions {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly config: ClusterConfig;
  /** The real path of the data directory. */
  readonly directory: string;
  readonly idle: IdleStrategy;
  readonly container: ServiceContainer;
  /** URL of the service's module, where shadows of it take snapshots. */
  readonly serviceModule: string | undefined;
  readonly onEvent: (event: MemberEvent) => void;
}

/** A member from its start to its end. */
export interface MemberLife {
  /** Resolves when it has ended: with the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
  /** What is known now. */
  status(): MemberStatus;
  /** What is so now. */
  freshStatus(): Promise<MemberStatus>;
  requestSnapshot(): void;
  transferLeadership(targetMemberId: number): Promise<number>;
  /** Resolves when everything that it held is free again. */
  released(): Promise<void>;
  stop(): Promise<void>;
}

/** A life on one thread. */
export class SharedMember implements MemberLife {
  readonly closed: Promise<unknown>;
  readonly #engine: MemberEngine;

  constructor(options: MemberLifeOptions) {
    let resolveClosed: (error: unknown) => void = () => undefined;
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    const { cluster, config, container, directory, idle, member, onEvent, serviceModule } = options;
    this.#engine = new MemberEngine({
      cluster,
      member,
      directory,
      idle,
      arena: Arena.create(config.member.memoryLength),
      clock: new NodeClock(),
      wakeCell: WakeCell.create(),
      service: container,
      serviceModule,
      onEvent,
      onEnd: resolveClosed,
    });
  }

  status(): MemberStatus {
    return this.#engine.status();
  }

  async freshStatus(): Promise<MemberStatus> {
    return this.#engine.status();
  }

  requestSnapshot(): void {
    this.#engine.requestSnapshot();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return this.#engine.transferLeadership(targetMemberId);
  }

  released(): Promise<void> {
    return this.#engine.released();
  }

  stop(): Promise<void> {
    return this.#engine.stop();
  }
}
