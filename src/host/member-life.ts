// member-life.ts: one life of a member in this process, on one thread or on two.

import type { AuthenticatorFactory, AuthorisationService } from '../cluster/authenticator.js';
import type { ClusterConfig, ClusterSettings, MemberSettings } from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import { Arena } from '../memory/arena.js';
import type { ServiceContainer } from '../service/service-container.js';
import type { ShutdownOutcome } from './cluster-orders.js';
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
  /** By service id. */
  readonly containers: readonly ServiceContainer[];
  readonly authenticatorFactory: AuthenticatorFactory | undefined;
  readonly authorisation: AuthorisationService | undefined;
  /** URL of the module that both are of, where they are made on another thread. */
  readonly authenticatorModule: string | undefined;
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
  // An operator's orders: see RunningMember.
  takeSnapshot(timeoutMs: number): Promise<number>;
  suspend(): Promise<number>;
  resume(): Promise<number>;
  shutdown(timeoutMs: number): Promise<ShutdownOutcome>;
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
    const { cluster, config, containers, directory, idle, member, onEvent, serviceModule } =
      options;
    const { authenticatorFactory, authorisation } = options;
    this.#engine = new MemberEngine({
      cluster,
      member,
      directory,
      idle,
      arena: Arena.create(config.member.memoryLength),
      clock: new NodeClock(),
      wakeCell: WakeCell.create(),
      services: containers,
      authenticator: authenticatorFactory?.(),
      authorisation,
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

  takeSnapshot(timeoutMs: number): Promise<number> {
    return this.#engine.takeSnapshot(timeoutMs);
  }

  suspend(): Promise<number> {
    return this.#engine.suspend();
  }

  resume(): Promise<number> {
    return this.#engine.resume();
  }

  shutdown(timeoutMs: number): Promise<ShutdownOutcome> {
    return this.#engine.shutdown(timeoutMs);
  }

  released(): Promise<void> {
    return this.#engine.released();
  }

  stop(): Promise<void> {
    return this.#engine.stop();
  }
}
