// node-member.ts: runs one member in this process, over Node's ports.

import type { AuthenticatorFactory, AuthorisationService } from '../cluster/authenticator.js';
import {
  type ClusterConfig,
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { ServiceFactory } from '../service/clustered-service.js';
import { guardedFactory } from '../service/guarded-service.js';
import { ServiceContainer } from '../service/service-container.js';
import { processGuard } from './callback-guard.js';
import type { ShutdownOutcome } from './cluster-orders.js';
import { openDataDirectory } from './data-directory.js';
import { DedicatedMember } from './dedicated-member.js';
import type { IdleStrategy } from './event-loop.js';
import type { MemberEvent } from './member-engine.js';
import { type MemberLife, SharedMember } from './member-life.js';
import { MemberLives } from './member-lives.js';

export { LEAVE_TIMEOUT_MS, type MemberEvent } from './member-engine.js';

/** How long an order that takes a snapshot is watched, unless told otherwise. */
export const ORDER_TIMEOUT_MS = 60_000;

export interface NodeMemberOptions {
  readonly cluster: ClusterSettings;
  /** `threads: 'dedicated'` leaves this thread to the services alone. */
  readonly member: MemberSettings;
  /** The member's data directory; it must have been born by bootstrap, or it starts non-voting. */
  readonly directory: string;
  /** Makes the service, or one for each of several services, by service id. */
  readonly serviceFactory: ServiceFactory | readonly ServiceFactory[];
  /**
   * URL of the module whose `createService` the factory is. Where `snapshotBy` is `shadow` it is
   * loaded on another thread, which no function can be handed to.
   */
  readonly serviceModule?: string;
  /**
   * Decides who may open a session. With it, cluster.authentication is `required` unless it is set;
   * all members of a cluster have one, or none has.
   */
  readonly authenticatorFactory?: AuthenticatorFactory;
  /** Who may give orders over the client protocol; nobody when not given. */
  readonly authorisation?: AuthorisationService;
  /**
   * URL of the module whose `createAuthenticator`, and `createAuthorisationService` if it has that,
   * the two above are. Where `threads` is `dedicated` it is loaded on another thread.
   */
  readonly authenticatorModule?: string;
  readonly idle?: IdleStrategy;
  readonly onEvent?: (event: MemberEvent) => void;
}

/** What one service of a member has done. */
export interface ServiceStatus {
  readonly serviceId: number;
  /** End of the log that it has consumed. */
  readonly position: number;
  /** Messages of clients, and of services, that it was given since the member started. */
  readonly messageCount: number;
  readonly serviceMessageCount: number;
  /** Messages that it sent and that the log has not got yet. */
  readonly pendingMessageCount: number;
  readonly pendingTimerCount: number;
  /** `stateHash()` at the position, when it has one. */
  readonly stateHash: string | undefined;
}

/** Status of a running member, with what its services tell of themselves. */
export interface NodeMemberStatus extends MemberStatus {
  /** Messages of clients that the first service was given. */
  readonly messageCount: number;
  readonly durability: string;
  /** Which threads the member has: `shared` or `dedicated`. */
  readonly threads: string;
  /** `stateHash()` of the first service, when it has one. */
  readonly stateHash: string | undefined;
  /** Position at which the hash holds. */
  readonly stateHashPosition: number;
  /** By service id. */
  readonly services: readonly ServiceStatus[];
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
   * Has a snapshot taken on every member, where this one leads.
   *
   * @returns the position of the snapshot, when its event is committed.
   * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
   */
  takeSnapshot(timeoutMs?: number): Promise<number>;
  /**
   * Has the cluster take nothing from clients, until `resume`; no timer fires either. It holds
   * across changes of leader and restarts. Where this member leads.
   *
   * @returns the position from which on it is so.
   * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
   */
  suspend(): Promise<number>;
  /** Ends a suspension; as `suspend`. */
  resume(): Promise<number>;
  /**
   * Has all members take a snapshot and end at one position, where this one leads. This member
   * ends soon after: see `closed`.
   *
   * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
   */
  shutdown(timeoutMs?: number): Promise<ShutdownOutcome>;
  /**
   * Hands leadership over to another member, without an election timeout.
   *
   * @returns the term in which the other leads.
   * @throws PawlError LIMIT_EXCEEDED or TIMEOUT saying why it did not come to that.
   */
  transferLeadership(targetMemberId: number): Promise<number>;
  /** Leaves the cluster cleanly and ends; resolves when its directory is free for another. */
  stop(): Promise<void>;
  /**
   * Resolves when the member has ended: with the error that ended it, or undefined. The directory
   * may be locked a moment longer, until the last write is done: `stop` waits for that.
   */
  readonly closed: Promise<unknown>;
}

/** Whoever brings an authenticator wants it to be asked. */
export function clusterOf(
  options: Pick<NodeMemberOptions, 'cluster' | 'authenticatorFactory'>,
): ClusterSettings {
  return options.authenticatorFactory === undefined
    ? options.cluster
    : { authentication: 'required', ...options.cluster };
}

/**
 * Starts a member.
 *
 * @throws PawlError for a configuration or a directory that cannot be used.
 */
export function runMember(options: NodeMemberOptions): RunningMember {
  return new NodeMember(options);
}

class NodeMember implements RunningMember {
  readonly #lives: MemberLives<ServedLife>;

  constructor(options: NodeMemberOptions) {
    this.#lives = new MemberLives(
      () => new ServedLife(options),
      ({ message }) => options.onEvent?.({ event: 'warning', message }),
    );
  }

  get closed(): Promise<unknown> {
    return this.#lives.closed;
  }

  status(): NodeMemberStatus {
    return this.#lives.current.status();
  }

  freshStatus(): Promise<NodeMemberStatus> {
    return this.#lives.current.freshStatus();
  }

  requestSnapshot(): void {
    this.#lives.current.life.requestSnapshot();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return this.#lives.current.life.transferLeadership(targetMemberId);
  }

  takeSnapshot(timeoutMs = ORDER_TIMEOUT_MS): Promise<number> {
    return this.#lives.current.life.takeSnapshot(timeoutMs);
  }

  suspend(): Promise<number> {
    return this.#lives.current.life.suspend();
  }

  resume(): Promise<number> {
    return this.#lives.current.life.resume();
  }

  shutdown(timeoutMs = ORDER_TIMEOUT_MS): Promise<ShutdownOutcome> {
    return this.#lives.current.life.shutdown(timeoutMs);
  }

  stop(): Promise<void> {
    return this.#lives.stop();
  }
}

function makeContainer(
  factory: ServiceFactory,
  serviceId: number,
  isGuarded: boolean,
): ServiceContainer {
  const hosted = isGuarded ? guardedFactory(factory, processGuard) : factory;
  return new ServiceContainer(hosted, { serviceId });
}

/** The module that shadows are made of; undefined where there are none. */
function shadowModuleOf(options: NodeMemberOptions, config: ClusterConfig): string | undefined {
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

/** An engine on another thread makes its authenticator there, from its module. */
function checkSecurity(options: NodeMemberOptions): void {
  const { authenticatorFactory, authenticatorModule, authorisation } = options;
  const hasSecurity = authenticatorFactory !== undefined || authorisation !== undefined;
  if (hasSecurity && authenticatorModule === undefined) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      'member.threads is dedicated, and authenticatorModule is not given: name the URL of the ' +
        'module that exports createAuthenticator, because clients are asked on another thread, ' +
        'or use threads shared',
    );
  }
}

/** One life, and the services that it runs. */
class ServedLife {
  readonly life: MemberLife;
  readonly #containers: readonly ServiceContainer[];
  readonly #durability: string;
  readonly #threads: string;

  constructor(options: NodeMemberOptions) {
    const factories = [options.serviceFactory].flat();
    const cluster = { serviceCount: factories.length, ...clusterOf(options) };
    const { authenticatorFactory, authenticatorModule, authorisation, member } = options;
    const config = concludeClusterConfig(cluster, member);
    const serviceModule = shadowModuleOf(options, config);
    const isDedicated = config.member.threads === 'dedicated';
    if (isDedicated) {
      checkSecurity(options);
    }
    const directory = openDataDirectory(options.directory, true);
    this.#containers = factories.map((factory, serviceId) =>
      makeContainer(factory, serviceId, config.member.guard),
    );
    this.#durability = config.durability;
    this.#threads = config.member.threads;
    const life = {
      ...{ cluster, member, config, directory, serviceModule },
      ...{ authenticatorFactory, authenticatorModule, authorisation },
      idle: options.idle ?? 'event',
      containers: this.#containers,
      onEvent: (event: MemberEvent) => options.onEvent?.(event),
    };
    this.life = isDedicated ? new DedicatedMember(life) : new SharedMember(life);
    if (config.member.guard) {
      processGuard.acquire();
      void this.life.closed.then(() => processGuard.release());
    }
  }

  status(): NodeMemberStatus {
    return this.#withServices(this.life.status());
  }

  async freshStatus(): Promise<NodeMemberStatus> {
    return this.#withServices(await this.life.freshStatus());
  }

  #withServices(status: MemberStatus): NodeMemberStatus {
    const services = this.#containers.map(statusOfService);
    const first = services[0];
    return {
      ...status,
      messageCount: first?.messageCount ?? 0,
      durability: this.#durability,
      threads: this.#threads,
      stateHash: first?.stateHash,
      stateHashPosition: first?.position ?? 0,
      services,
    };
  }
}

function statusOfService(container: ServiceContainer): ServiceStatus {
  const { messageCount, messages, position, service, serviceId, serviceMessageCount, timers } =
    container;
  return {
    serviceId,
    position,
    messageCount,
    serviceMessageCount,
    pendingMessageCount: messages.pendingCount,
    pendingTimerCount: timers.count,
    stateHash: service.stateHash?.(),
  };
}
