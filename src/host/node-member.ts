// node-member.ts: runs one member in this process, over Node's ports.

import type { AuthenticatorFactory, AuthorisationService } from '../cluster/authenticator.js';
import {
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import { Member, type MemberEvents, type MemberStatus } from '../cluster/member.js';
import { ErrorCode, PawlError } from '../errors.js';
import { Arena } from '../memory/arena.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';
import type { ServiceFactory } from '../service/clustered-service.js';
import { guardedFactory } from '../service/guarded-service.js';
import { ServiceContainer } from '../service/service-container.js';
import { processGuard } from './callback-guard.js';
import {
  type OrderedMember,
  orderShutdown,
  orderSnapshot,
  orderSuspension,
  type ShutdownOutcome,
} from './cluster-orders.js';
import { openDataDirectory } from './data-directory.js';
import { EventLoop, type IdleStrategy } from './event-loop.js';
import { handOver } from './hand-over.js';
import { NodeClock } from './node-clock.js';
import { NodeEntropy } from './node-entropy.js';
import { NodeNetwork } from './node-network.js';
import { NodeRecorder } from './node-recorder.js';
import { NodeStorage } from './node-storage.js';
import { WakeCell } from './wake-cell.js';

/** How long a clean leave may take before the member is closed as it is. */
export const LEAVE_TIMEOUT_MS = 2_000;
const LEAVE_POLL_MS = 5;
/** How long an order that takes a snapshot is watched, unless told otherwise. */
export const ORDER_TIMEOUT_MS = 60_000;

/** What happens to a member, as plain data. */
export type MemberEvent =
  | { readonly event: 'recovered'; readonly health: string; readonly appendPosition: number }
  | { readonly event: 'state'; readonly state: string; readonly reason: string }
  | { readonly event: 'role'; readonly role: string; readonly leadershipTermId: number }
  | { readonly event: 'snapshot'; readonly logPosition: number; readonly length: number }
  | { readonly event: 'terminated'; readonly logPosition: number }
  | { readonly event: 'warning'; readonly message: string };

export interface NodeMemberOptions {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  /** The member's data directory; it must have been born by bootstrap, or it starts non-voting. */
  readonly directory: string;
  /** Makes the service, or one for each of several services, by service id. */
  readonly serviceFactory: ServiceFactory | readonly ServiceFactory[];
  /**
   * Decides who may open a session. With it, cluster.authentication is `required` unless it is set;
   * all members of a cluster have one, or none has.
   */
  readonly authenticatorFactory?: AuthenticatorFactory;
  /** Who may give orders over the client protocol; nobody when not given. */
  readonly authorisation?: AuthorisationService;
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
  /** `stateHash()` of the first service, when it has one. */
  readonly stateHash: string | undefined;
  /** Position at which the hash holds. */
  readonly stateHashPosition: number;
  /** By service id. */
  readonly services: readonly ServiceStatus[];
}

/** A member that runs. */
export interface RunningMember {
  status(): NodeMemberStatus;
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
  /** Leaves the cluster cleanly and ends. */
  stop(): Promise<void>;
  /** Resolves when the member has ended: with the error that ended it, or undefined. */
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

/**
 * A member over its lives in this process: one that has installed a snapshot ends, and starts again
 * from it.
 */
class NodeMember implements RunningMember {
  readonly closed: Promise<unknown>;
  readonly #options: NodeMemberOptions;
  #life: MemberLife;
  #isStopping = false;

  constructor(options: NodeMemberOptions) {
    this.#options = options;
    this.#life = new MemberLife(options);
    this.closed = this.#follow();
  }

  status(): NodeMemberStatus {
    return this.#life.status();
  }

  requestSnapshot(): void {
    this.#life.requestSnapshot();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return this.#life.transferLeadership(targetMemberId);
  }

  takeSnapshot(timeoutMs = ORDER_TIMEOUT_MS): Promise<number> {
    return orderSnapshot(this.#life.ordered(), timeoutMs);
  }

  suspend(): Promise<number> {
    return orderSuspension(this.#life.ordered(), ClusterAction.Suspend);
  }

  resume(): Promise<number> {
    return orderSuspension(this.#life.ordered(), ClusterAction.Resume);
  }

  shutdown(timeoutMs = ORDER_TIMEOUT_MS): Promise<ShutdownOutcome> {
    return orderShutdown(this.#life.ordered(), timeoutMs);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#life.stop();
  }

  /** Resolves with what ended the last life. */
  async #follow(): Promise<unknown> {
    for (;;) {
      const error = await this.#life.closed;
      const isInstalled = error instanceof PawlError && error.code === ErrorCode.SnapshotInstalled;
      if (!isInstalled || this.#isStopping) {
        return error;
      }
      this.#options.onEvent?.({ event: 'warning', message: error.message });
      await this.#life.released();
      this.#life = new MemberLife(this.#options);
    }
  }
}

/** What decides about clients, made anew for each life. */
function securityOf({ authenticatorFactory, authorisation }: NodeMemberOptions) {
  return {
    ...(authenticatorFactory === undefined ? {} : { authenticator: authenticatorFactory() }),
    ...(authorisation === undefined ? {} : { authorisation }),
  };
}

/** What happens to a member, as plain data. */
function eventsTo(emit: (event: MemberEvent) => void, stop: () => void): MemberEvents {
  return {
    onRecovered: ({ health, appendPosition }) =>
      emit({ event: 'recovered', health: health.kind, appendPosition }),
    onStateChange: (state, reason) => emit({ event: 'state', state, reason }),
    onRoleChange: (role, leadershipTermId) => emit({ event: 'role', role, leadershipTermId }),
    onSnapshot: ({ logPosition, length }) => emit({ event: 'snapshot', logPosition, length }),
    onTerminated: (logPosition) => {
      emit({ event: 'terminated', logPosition });
      stop();
    },
    onWarning: (message) => emit({ event: 'warning', message }),
  };
}

function makeContainer(
  factory: ServiceFactory,
  serviceId: number,
  isGuarded: boolean,
): ServiceContainer {
  const hosted = isGuarded ? guardedFactory(factory, processGuard) : factory;
  return new ServiceContainer(hosted, { serviceId });
}

/** A member from its start to its end. */
class MemberLife {
  readonly closed: Promise<unknown>;
  readonly #loop: EventLoop;
  readonly #member: Member;
  readonly #containers: readonly ServiceContainer[];
  readonly #clock = new NodeClock();
  readonly #network: NodeNetwork;
  readonly #storage: NodeStorage;
  readonly #recorder: NodeRecorder;
  #resolveClosed: ((error: unknown) => void) | undefined;
  #isClosed = false;

  constructor(options: NodeMemberOptions) {
    const factories = [options.serviceFactory].flat();
    const cluster = { serviceCount: factories.length, ...clusterOf(options) };
    const config = concludeClusterConfig(cluster, options.member);
    const directory = openDataDirectory(options.directory, true);
    this.#containers = factories.map((factory, serviceId) =>
      makeContainer(factory, serviceId, config.member.guard),
    );
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const arena = Arena.create(config.member.memoryLength);
    const wakeCell = WakeCell.create();
    const loop = new EventLoop({
      clock: this.#clock,
      onFatal: (error) => this.#end(error),
      wakeCell,
      idleStrategy: options.idle ?? 'event',
    });
    this.#loop = loop;
    const { durability } = config;
    const clock = this.#clock;
    this.#recorder = new NodeRecorder({ arena, directory, durability, clock, wakeCell, loop });
    this.#network = new NodeNetwork({
      onReadable: loop.wake,
      isPoisoned: this.#recorder.isPoisoned,
    });
    let isInDuty = false;
    // What completes within the duty cycle that submitted it is mostly collected there, too.
    const storage = new NodeStorage(directory, {
      onCompleted: () => {
        if (!isInDuty) {
          loop.wake();
        }
      },
    });
    this.#storage = storage;
    this.#member = new Member({
      config,
      arena,
      clock,
      network: this.#network,
      entropy: new NodeEntropy(),
      storage: this.#storage,
      services: this.#containers,
      ...securityOf(options),
      // At page-cache level a write is a copy into the kernel: it costs less than to wake a thread.
      ...(durability === 'fsync' ? { recorderRunner: this.#recorder } : {}),
      events: eventsTo(
        (event) => options.onEvent?.(event),
        () => void this.stop(),
      ),
    });
    const member = this.#member;
    loop.add({
      roleName: member.roleName,
      doWork(nowNs) {
        isInDuty = true;
        const work = member.doWork(nowNs);
        isInDuty = false;
        return work + storage.completionCount;
      },
      deadlineNs: () => member.deadlineNs(),
      close: () => member.close(),
    });
    if (config.member.guard) {
      processGuard.acquire();
    }
    loop.wake();
  }

  status(): NodeMemberStatus {
    const services = this.#containers.map(statusOfService);
    const first = services[0];
    const status = this.#member.status();
    const { turnCount, passCount, idleTurnCount, stalledTurnCount, longestTurnNs } =
      this.#loop.counters;
    const loop = { turnCount, passCount, idleTurnCount, stalledTurnCount, longestTurnNs };
    return {
      ...status,
      counters: { ...status.counters, ...loop },
      messageCount: first?.messageCount ?? 0,
      durability: this.#member.config.durability,
      stateHash: first?.stateHash,
      stateHashPosition: first?.position ?? 0,
      services,
    };
  }

  requestSnapshot(): void {
    this.#member.requestSnapshot();
    this.#loop.wake();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return handOver(
      {
        begin: (target) => {
          const result = this.#member.transferLeadership(target, this.#clock.nowNs());
          this.#loop.wake();
          return result;
        },
        status: () => this.#member.status(),
        isClosed: () => this.#isClosed,
      },
      targetMemberId,
    );
  }

  /** What an operator's orders are given to. */
  ordered(): OrderedMember {
    const member = this.#member;
    const woken = <T>(result: T): T => {
      this.#loop.wake();
      return result;
    };
    return {
      status: () => member.status(),
      orders: () => member.orders(),
      isClosed: () => this.#isClosed,
      requestSnapshot: () => this.requestSnapshot(),
      orderSuspension: (action) => woken(member.orderSuspension(action)),
      orderShutdown: () => woken(member.orderShutdown(this.#clock.nowNs())),
    };
  }

  /** Resolves when everything that it held is free again. */
  async released(): Promise<void> {
    await this.#recorder.stopped();
  }

  async stop(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#member.leave(this.#clock.nowNs());
    this.#loop.wake();
    const deadlineNs = this.#clock.nowNs() + LEAVE_TIMEOUT_MS * 1e6;
    while (!this.#isClosed && !this.#member.hasLeft && this.#clock.nowNs() < deadlineNs) {
      await new Promise((resolve) => setTimeout(resolve, LEAVE_POLL_MS));
      this.#loop.wake();
    }
    this.#end(undefined);
    await this.#recorder.stopped();
  }

  #end(error: unknown): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#loop.close();
    this.#recorder.close();
    this.#member.close();
    this.#network.close();
    this.#storage.end();
    if (this.#member.config.member.guard) {
      processGuard.release();
    }
    this.#resolveClosed?.(error);
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
