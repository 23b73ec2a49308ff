// member-engine.ts: a member from its start to its end, over Node's ports, on the thread that runs
// this. Where its services run is not known here.

import type { Authenticator, AuthorisationService } from '../cluster/authenticator.js';
import {
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import { Member, type MemberEvents, type MemberStatus } from '../cluster/member.js';
import type { ServiceHost } from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';
import {
  type OrderedMember,
  orderShutdown,
  orderSnapshot,
  orderSuspension,
  type ShutdownOutcome,
} from './cluster-orders.js';
import { EventLoop, type IdleStrategy } from './event-loop.js';
import { handOver } from './hand-over.js';
import type { NodeClock } from './node-clock.js';
import { NodeEntropy } from './node-entropy.js';
import { NodeNetwork } from './node-network.js';
import { NodeRecorder } from './node-recorder.js';
import { NodeShadow } from './node-shadow.js';
import { NodeStorage } from './node-storage.js';
import type { WakeCell } from './wake-cell.js';

/** How long a clean leave may take before the member is closed as it is. */
export const LEAVE_TIMEOUT_MS = 2_000;
const LEAVE_POLL_MS = 5;

/** What happens to a member, as plain data. */
export type MemberEvent =
  | { readonly event: 'recovered'; readonly health: string; readonly appendPosition: number }
  | { readonly event: 'state'; readonly state: string; readonly reason: string }
  | { readonly event: 'role'; readonly role: string; readonly leadershipTermId: number }
  | { readonly event: 'snapshot'; readonly logPosition: number; readonly length: number }
  | { readonly event: 'terminated'; readonly logPosition: number }
  | { readonly event: 'warning'; readonly message: string };

export interface MemberEngineOptions {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  /** The real path of the data directory. */
  readonly directory: string;
  readonly idle: IdleStrategy;
  readonly arena: Arena;
  readonly clock: NodeClock;
  /** By which other threads wake this one. */
  readonly wakeCell: WakeCell;
  /** By service id. */
  readonly services: readonly ServiceHost[];
  /** What decides about clients. */
  readonly authenticator: Authenticator | undefined;
  readonly authorisation: AuthorisationService | undefined;
  /** URL of the service's module, for shadows of it. */
  readonly serviceModule: string | undefined;
  readonly onEvent: (event: MemberEvent) => void;
  /** Told once: everything is closed, and what ended it, or undefined. */
  readonly onEnd: (error: unknown) => void;
}

/** Transport, consensus, recorder, and a service host, in one event loop. */
export class MemberEngine {
  readonly #options: MemberEngineOptions;
  readonly #loop: EventLoop;
  readonly #member: Member;
  readonly #network: NodeNetwork;
  readonly #storage: NodeStorage;
  readonly #recorder: NodeRecorder;
  readonly #shadow: NodeShadow | undefined;
  /** Resolves when the lock of the directory is released. */
  readonly #unlocked: Promise<void>;
  #resolveUnlocked: (() => void) | undefined;
  #isClosed = false;

  constructor(options: MemberEngineOptions) {
    this.#options = options;
    this.#unlocked = new Promise((resolve) => {
      this.#resolveUnlocked = resolve;
    });
    const { arena, clock, directory, idle, services, wakeCell } = options;
    const config = concludeClusterConfig(options.cluster, options.member);
    const loop = new EventLoop({
      clock,
      onFatal: (error) => this.close(error),
      wakeCell,
      idleStrategy: idle,
    });
    this.#loop = loop;
    const { durability } = config;
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
    this.#shadow = shadowOf(options, loop);
    this.#member = new Member({
      config,
      arena,
      clock,
      network: this.#network,
      entropy: new NodeEntropy(),
      storage: this.#storage,
      services,
      ...securityOf(options),
      // At page-cache level a write is a copy into the kernel: it costs less than to wake a thread.
      ...(durability === 'fsync' ? { recorderRunner: this.#recorder } : {}),
      ...(this.#shadow === undefined ? {} : { shadowRunner: this.#shadow }),
      events: memberEvents(options.onEvent, () => void this.stop()),
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
    loop.wake();
  }

  /** Turns of the event loop so far. */
  get turnCount(): number {
    return this.#loop.counters.turnCount;
  }

  /** The member's status, with the counters of its event loop. */
  status(): MemberStatus {
    const status = this.#member.status();
    const { turnCount, passCount, idleTurnCount, stalledTurnCount, longestTurnNs } =
      this.#loop.counters;
    const loop = { turnCount, passCount, idleTurnCount, stalledTurnCount, longestTurnNs };
    return { ...status, counters: { ...status.counters, ...loop } };
  }

  requestSnapshot(): void {
    this.#member.requestSnapshot();
    this.#loop.wake();
  }

  transferLeadership(targetMemberId: number): Promise<number> {
    return handOver(
      {
        begin: (target) => {
          const result = this.#member.transferLeadership(target, this.#options.clock.nowNs());
          this.#loop.wake();
          return result;
        },
        status: () => this.#member.status(),
        isClosed: () => this.#isClosed,
      },
      targetMemberId,
    );
  }

  takeSnapshot(timeoutMs: number): Promise<number> {
    return orderSnapshot(this.#ordered(), timeoutMs);
  }

  suspend(): Promise<number> {
    return orderSuspension(this.#ordered(), ClusterAction.Suspend);
  }

  resume(): Promise<number> {
    return orderSuspension(this.#ordered(), ClusterAction.Resume);
  }

  shutdown(timeoutMs: number): Promise<ShutdownOutcome> {
    return orderShutdown(this.#ordered(), timeoutMs);
  }

  /** What an operator's orders are given to. */
  #ordered(): OrderedMember {
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
      orderShutdown: () => woken(member.orderShutdown(this.#options.clock.nowNs())),
    };
  }

  /** Resolves when it is closed and everything that it held is free again. */
  async released(): Promise<void> {
    await Promise.all([this.#unlocked, this.#shadow?.stopped()]);
  }

  /** Leaves the cluster cleanly and ends. One that is closed is waited for until it is released. */
  async stop(): Promise<void> {
    if (!this.#isClosed) {
      await this.#leave();
      this.close(this.#member.failure);
    }
    await this.released();
  }

  async #leave(): Promise<void> {
    const { clock } = this.#options;
    this.#member.leave(clock.nowNs());
    this.#loop.wake();
    const deadlineNs = clock.nowNs() + LEAVE_TIMEOUT_MS * 1e6;
    while (!this.#isClosed && !this.#member.hasLeft && clock.nowNs() < deadlineNs) {
      await new Promise((resolve) => setTimeout(resolve, LEAVE_POLL_MS));
      this.#loop.wake();
    }
  }

  /** Ends as it is; what it holds of the directory is released later. Idempotent. */
  close(error: unknown): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#loop.close();
    this.#recorder.close();
    this.#member.close();
    this.#network.close();
    this.#storage.closeFiles();
    void this.#unlock();
    if (error instanceof PawlError && error.code === ErrorCode.StorageFailed) {
      void this.#recorder.reported().then(() => this.#options.onEnd(error));
    } else {
      this.#options.onEnd(error);
    }
  }

  /**
   * The recorder's thread may have a write, a sync or its last mark in hand, and a file may be on
   * its way out: who had the directory now would recover it beneath that. It ends after it, or with
   * the process, and the lock too. A
   * shadow writes no file: the lock does not wait for a callback that may never return.
   */
  async #unlock(): Promise<void> {
    await Promise.all([this.#recorder.stopped(), this.#storage.removed()]);
    this.#storage.end();
    this.#resolveUnlocked?.();
  }
}

/** What decides about clients, as a member wants it. */
function securityOf({ authenticator, authorisation }: MemberEngineOptions) {
  return {
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(authorisation === undefined ? {} : { authorisation }),
  };
}

/** Where shadows take the snapshots, what runs them. */
function shadowOf(options: MemberEngineOptions, loop: EventLoop): NodeShadow | undefined {
  const { arena, clock, cluster, member, serviceModule: module, wakeCell } = options;
  return module === undefined
    ? undefined
    : new NodeShadow({ arena, cluster, member, clock, module }, wakeCell, loop);
}

/** What a member tells, as plain data. */
function memberEvents(emit: (event: MemberEvent) => void, stop: () => void): MemberEvents {
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
