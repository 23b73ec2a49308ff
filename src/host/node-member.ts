// node-member.ts: runs one member in this process, over Node's ports.

import {
  type ClusterConfig,
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { ServiceFactory } from '../service/clustered-service.js';
import { ServiceContainer } from '../service/service-container.js';
import { openDataDirectory } from './data-directory.js';
import { DedicatedMember } from './dedicated-member.js';
import { isInstalled } from './engine-messages.js';
import type { IdleStrategy } from './event-loop.js';
import type { MemberEvent } from './member-engine.js';
import { type MemberLife, SharedMember } from './member-life.js';

export { LEAVE_TIMEOUT_MS, type MemberEvent } from './member-engine.js';

export interface NodeMemberOptions {
  readonly cluster: ClusterSettings;
  /** `threads: 'dedicated'` leaves this thread to the service alone. */
  readonly member: MemberSettings;
  /** The member's data directory; it must have been born by bootstrap, or it starts non-voting. */
  readonly directory: string;
  readonly serviceFactory: ServiceFactory;
  /**
   * URL of the module whose `createService` the factory is. Where `snapshotBy` is `shadow` it is
   * loaded on another thread, which no function can be handed to.
   */
  readonly serviceModule?: string;
  readonly idle?: IdleStrategy;
  readonly onEvent?: (event: MemberEvent) => void;
}

/** Status of a running member, with what its service tells of itself. */
export interface NodeMemberStatus extends MemberStatus {
  readonly messageCount: number;
  readonly durability: string;
  /** Which threads the member has: `shared` or `dedicated`. */
  readonly threads: string;
  /** `stateHash()` of the service, when it has one. */
  readonly stateHash: string | undefined;
  /** Position at which the hash holds. */
  readonly stateHashPosition: number;
}

/** A member that runs. */
export interface RunningMember {
  /** What is known now: with dedicated threads, as the engine has told last. */
  status(): NodeMemberStatus;
  /** What is so now. */
  freshStatus(): Promise<NodeMemberStatus>;
  /** Has a snapshot taken on every member, as soon as this one leads. */
  requestSnapshot(): void;
  /**
   * Hands leadership over to another member, without an election timeout.
   *
   * @returns the term in which the other leads.
   * @throws PawlError LIMIT_EXCEEDED or TIMEOUT saying why it did not come to that.
   */
  transferLeadership(targetMemberId: number): Promise<number>;
  /** Leaves the cluster cleanly and ends. */
  stop(): Promise<void>;
  /** Resolves when the member has ended: with the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
}

/**
 * Starts a member.
 *
 * @throws PawlError for a configuration or a directory that cannot be used.
 */
export function runMember(options: NodeMemberOptions): RunningMember {
  return new NodeMember(options);
}

/**
 * A member over its lives in this process: one that has installed a snapshot ends, and starts again
 * from it.
 */
class NodeMember implements RunningMember {
  readonly closed: Promise<unknown>;
  readonly #options: NodeMemberOptions;
  #life: ServedLife;
  #isStopping = false;

  constructor(options: NodeMemberOptions) {
    this.#options = options;
    this.#life = new ServedLife(options);
    this.closed = this.#follow();
  }

  status(): NodeMemberStatus {
    return this.#life.status();
  }

  freshStatus(): Promise<NodeMemberStatus> {
    return this.#life.freshStatus();
  }

  requestSnapshot(): void {
    this.#life.life.requestSnapshot();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return this.#life.life.transferLeadership(targetMemberId);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#life.life.stop();
  }

  /** Resolves with what ended the last life. */
  async #follow(): Promise<unknown> {
    for (;;) {
      const { life } = this.#life;
      const error = await life.closed;
      if (!isInstalled(error) || this.#isStopping) {
        return error;
      }
      this.#options.onEvent?.({ event: 'warning', message: (error as Error).message });
      await life.released();
      this.#life = new ServedLife(this.#options);
    }
  }
}

/** The module that shadows are made of; undefined where there are none. */
function moduleOf(options: NodeMemberOptions, config: ClusterConfig): string | undefined {
  if (config.member.snapshotBy !== 'shadow') {
    return undefined;
  }
  if (options.serviceModule === undefined) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      'member.snapshotBy is shadow, and serviceModule is not given: name the URL of the module ' +
        'that exports createService, or let the service write its snapshots itself',
    );
  }
  return options.serviceModule;
}

/** One life, and the service that it runs. */
class ServedLife {
  readonly life: MemberLife;
  readonly #container: ServiceContainer;
  readonly #durability: string;
  readonly #threads: string;

  constructor(options: NodeMemberOptions) {
    const { cluster, idle, member, onEvent } = options;
    const config = concludeClusterConfig(cluster, member);
    const directory = openDataDirectory(options.directory, true);
    this.#container = new ServiceContainer(options.serviceFactory);
    this.#durability = config.durability;
    this.#threads = config.member.threads;
    const life = {
      cluster,
      member,
      config,
      directory,
      idle: idle ?? 'event',
      container: this.#container,
      serviceModule: moduleOf(options, config),
      onEvent: (event: MemberEvent) => onEvent?.(event),
    };
    this.life = this.#threads === 'dedicated' ? new DedicatedMember(life) : new SharedMember(life);
  }

  status(): NodeMemberStatus {
    return this.#withService(this.life.status());
  }

  async freshStatus(): Promise<NodeMemberStatus> {
    return this.#withService(await this.life.freshStatus());
  }

  #withService(status: MemberStatus): NodeMemberStatus {
    const container = this.#container;
    const { snapshotPauseLastNs, snapshotPauseMaxNs } = container;
    return {
      ...status,
      counters: { ...status.counters, snapshotPauseLastNs, snapshotPauseMaxNs },
      messageCount: container.messageCount,
      durability: this.#durability,
      threads: this.#threads,
      stateHash: container.service.stateHash?.(),
      stateHashPosition: container.position,
    };
  }
}
