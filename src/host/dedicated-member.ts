// dedicated-member.ts: a member whose services run on the thread that started it, and everything
// else on a thread of its own.
//
// This side has an event loop with one agent for each service. A callback that takes long keeps
// this side from its orders and its status; it keeps nobody from the member.

import type { ClusterConfig } from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import { allocateServiceChannel } from '../cluster/service-channel.js';
import { ShutdownState } from '../cluster/shutdown.js';
import { ErrorCode, PawlError } from '../errors.js';
import { Arena } from '../memory/arena.js';
import { firstTerminationError, ServiceAgent } from '../service/service-agent.js';
import type { ServiceContainer } from '../service/service-container.js';
import type { ShutdownOutcome } from './cluster-orders.js';
import {
  type EngineBoot,
  type EngineOrder,
  type EngineReport,
  toError,
} from './engine-messages.js';
import { EventLoop } from './event-loop.js';
import type { MemberLife, MemberLifeOptions } from './member-life.js';
import { NodeClock } from './node-clock.js';
import { WakeCell } from './wake-cell.js';
import { startThread } from './worker-thread.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What is known of a member before its engine has said anything. */
function unknownStatus(config: ClusterConfig): MemberStatus {
  return {
    memberId: config.member.memberId,
    state: 'OPENING',
    role: 'follower',
    isVoting: false,
    isIngressOpen: false,
    isHandingOver: false,
    isSuspended: false,
    shutdownState: ShutdownState.None,
    leadershipTermId: -1,
    leaderMemberId: -1,
    appendPosition: 0,
    durablePosition: 0,
    commitPosition: 0,
    servicePosition: 0,
    snapshotPosition: 0,
    snapshotLength: 0,
    sessionCount: 0,
    health: 'opening',
    divergence: undefined,
    freeSpaceLength: undefined,
    counters: {},
  };
}

/** One life of a member on two threads. */
export class DedicatedMember implements MemberLife {
  readonly closed: Promise<unknown>;
  readonly #options: MemberLifeOptions;
  readonly #loop: EventLoop;
  readonly #agents: readonly ServiceAgent[];
  readonly #worker: ReturnType<typeof startThread>;
  readonly #released: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #resolveClosed: ((error: unknown) => void) | undefined;
  #nextId = 1;
  #status: MemberStatus;
  #isClosed = false;
  #isEnded = false;

  constructor(options: MemberLifeOptions) {
    const { config, containers } = options;
    this.#options = options;
    this.#status = unknownStatus(config);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const clock = new NodeClock();
    const arena = Arena.create(config.member.memoryLength);
    const services = containers.map((container) => ({
      place: allocateServiceChannel(arena, config),
      snapshotVersion: container.snapshotVersion,
      pendingMessageCountMax: container.messages.pendingCountMax,
    }));
    const engineCell = WakeCell.create();
    const serviceCell = WakeCell.create();
    this.#loop = new EventLoop({
      clock,
      onFatal: (error) => this.#fail(error),
      wakeCell: serviceCell,
      idleStrategy: options.idle,
    });
    const boot: EngineBoot = {
      cluster: options.cluster,
      member: options.member,
      directory: options.directory,
      idle: options.idle,
      clockOrigin: clock.origin,
      memory: arena.memory,
      heapStart: arena.untouchedStart,
      services,
      serviceModule: options.serviceModule,
      authenticatorModule: options.authenticatorModule,
      engineCells: engineCell.cells,
      serviceCells: serviceCell.cells,
    };
    this.#worker = startThread(new URL('./engine-worker.ts', import.meta.url), {
      workerData: boot,
      name: 'engine',
    });
    this.#worker.on('message', (message: EngineReport) => this.#onReport(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#released = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new Error('the engine thread ended by itself'));
        resolve();
      });
    });
    this.#agents = services.map(
      ({ place }, serviceId) =>
        new ServiceAgent({
          config,
          memory: arena.memory,
          place,
          service: containers[serviceId] as ServiceContainer,
          nowNs: () => clock.nowNs(),
          wakeEngine: () => engineCell.signal(),
        }),
    );
    for (const agent of this.#agents) {
      this.#loop.add(agent);
    }
  }

  /** As the engine has last told; no older than a tenth of a second while the member works. */
  status(): MemberStatus {
    return this.#withOwnCounters(this.#status);
  }

  async freshStatus(): Promise<MemberStatus> {
    if (!this.#isClosed && !this.#isEnded) {
      this.#status = (await this.#ask((id) => ({ type: 'status', id }))) as MemberStatus;
    }
    return this.status();
  }

  requestSnapshot(): void {
    this.#order({ type: 'snapshot' });
  }

  async transferLeadership(targetMemberId: number): Promise<number> {
    return (await this.#ask((id) => ({ type: 'transfer', id, targetMemberId }))) as number;
  }

  async takeSnapshot(timeoutMs: number): Promise<number> {
    return (await this.#ask((id) => ({ type: 'takeSnapshot', id, timeoutMs }))) as number;
  }

  async suspend(): Promise<number> {
    return (await this.#ask((id) => ({ type: 'suspend', id }))) as number;
  }

  async resume(): Promise<number> {
    return (await this.#ask((id) => ({ type: 'resume', id }))) as number;
  }

  async shutdown(timeoutMs: number): Promise<ShutdownOutcome> {
    return (await this.#ask((id) => ({ type: 'shutdown', id, timeoutMs }))) as ShutdownOutcome;
  }

  released(): Promise<void> {
    return this.#released;
  }

  async stop(): Promise<void> {
    if (!this.#isClosed) {
      this.#order({ type: 'stop' });
    }
    await this.#released;
  }

  #withOwnCounters(status: MemberStatus): MemberStatus {
    const { longestTurnNs, stalledTurnCount, turnCount } = this.#loop.counters;
    const own = {
      serviceTurnCount: turnCount,
      serviceStalledTurnCount: stalledTurnCount,
      serviceLongestTurnNs: longestTurnNs,
    };
    return { ...status, counters: { ...status.counters, ...own } };
  }

  #order(order: EngineOrder): void {
    this.#worker.postMessage(order);
  }

  #ask(orderOf: (id: number) => EngineOrder): Promise<unknown> {
    if (this.#isClosed || this.#isEnded) {
      return Promise.reject(endedError());
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#order(orderOf(id));
    });
  }

  #onReport(message: EngineReport): void {
    switch (message.type) {
      case 'status':
        this.#status = message.status;
        break;
      case 'event':
        this.#options.onEvent(message.event);
        break;
      case 'answer':
        this.#take(message.id)?.resolve(message.value);
        break;
      case 'refusal':
        this.#take(message.id)?.reject(toError(message.error));
        break;
      case 'ended':
        this.#isEnded = true;
        this.#order({ type: 'heard' });
        this.#close(
          message.error === undefined
            ? firstTerminationError(this.#agents)
            : toError(message.error),
        );
        break;
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /** This side cannot go on: the engine ends as well. */
  #fail(error: unknown): void {
    if (!this.#isClosed) {
      this.#order({ type: 'close' });
      this.#close(error);
    }
  }

  #close(error: unknown): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#loop.close();
    for (const { reject } of this.#waiting.values()) {
      reject(endedError());
    }
    this.#waiting.clear();
    this.#resolveClosed?.(error);
  }
}

function endedError(): PawlError {
  return new PawlError(ErrorCode.Closed, 'the member has ended: start it again', 'environment');
}
