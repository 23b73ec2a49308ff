// virtual-process.ts: one incarnation of a member or a client, and its threads.
//
// A thread is a set of agents that share duty cycles and ports, as an event loop or a worker does in
// production. It takes a turn when a datagram or a completion is ready for it, when another thread
// wakes it and when the earliest deadline of its agents has come; it repeats turns while they do
// work, as the production loop does.

import { assert, InvariantError } from '../assert.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import type { Network } from '../ports/network.js';
import type { Storage } from '../ports/storage.js';
import {
  type EventAction,
  EventKind,
  type EventOwner,
  WORLD_TIME_NS_MAX,
  WorldEvent,
} from './event-heap.js';
import type { Prng } from './prng.js';
import { VirtualClock } from './virtual-clock.js';
import { VirtualEntropy } from './virtual-entropy.js';
import type { VirtualNode } from './virtual-node.js';
import { VirtualStorage } from './virtual-storage.js';

/** Turns that a thread may take at one instant; more of them mean that it never comes to rest. */
export const SAME_INSTANT_TURNS_MAX = 10_000;
/** Time that passes when a deadline is due and the turn did nothing about it. */
const IDLE_TURN_NS = 1_000;

export const ProcessState = { Running: 0, Paused: 1, Ended: 2 } as const;
export type ProcessState = (typeof ProcessState)[keyof typeof ProcessState];

/** How a process ends. */
export const EndKind = {
  /** As by `kill -9`: the page cache survives. */
  Kill: 1,
  /** The machine loses power: what was not synced may be lost or torn. */
  PowerCut: 2,
  /** The process leaves by itself, its agents closed. */
  Stop: 3,
} as const;
export type EndKind = (typeof EndKind)[keyof typeof EndKind];

/** Everything that a thread can reach of the outside. */
export interface VirtualPorts {
  readonly clock: Clock;
  readonly network: Network;
  readonly storage: Storage;
  readonly entropy: Entropy;
}

/** Builds the agents of a thread, in the order of their duty cycles. */
export type AgentFactory = (ports: VirtualPorts, thread: VirtualThread) => readonly Agent[];

/**
 * Thrown through an agent by a port when its process ends between two effects of one duty cycle.
 * Only the world catches it.
 */
export class ProcessEndedSignal extends Error {
  constructor() {
    super('the simulated process has ended');
    this.name = 'ProcessEndedSignal';
  }
}

export class VirtualProcess implements EventOwner {
  readonly node: VirtualNode;
  readonly nodeId: number;
  /** 1 for the first process of the node. */
  readonly incarnation: number;
  readonly clock: VirtualClock;
  readonly threads: VirtualThread[] = [];
  readonly random: Prng;
  #state: ProcessState = ProcessState.Running;
  #resumeTimeNs = 0;
  #deferred: WorldEvent[] = [];
  #effectsLeft = Number.POSITIVE_INFINITY;
  #endKind: EndKind = EndKind.Kill;

  constructor(node: VirtualNode, incarnation: number) {
    this.node = node;
    this.nodeId = node.id;
    this.incarnation = incarnation;
    this.clock = new VirtualClock(node.oscillator);
    this.random = node.world.random.fork(`process ${node.name} ${incarnation}`);
  }

  get state(): ProcessState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === ProcessState.Running;
  }

  get isEnded(): boolean {
    return this.#state === ProcessState.Ended;
  }

  /** Starts a thread. Its first turn comes at this instant. */
  spawn(name: string, factory: AgentFactory): VirtualThread {
    const thread = new VirtualThread(this, name);
    this.threads.push(thread);
    this.guard(() => thread.begin(factory));
    return thread;
  }

  /**
   * Stops the process for a while, as SIGSTOP and SIGCONT do: its clock goes on, datagrams wait in
   * the system's buffer, storage operations complete but nobody looks.
   */
  pause(durationNs: number): void {
    if (this.isEnded) {
      return;
    }
    this.#state = ProcessState.Paused;
    const world = this.node.world;
    const timeNs = world.nowNs + durationNs;
    if (timeNs > this.#resumeTimeNs) {
      this.#resumeTimeNs = timeNs;
      world.push(
        new WorldEvent(EventKind.Resume, RESUME_ACTION, this, this.nodeId, undefined),
        timeNs,
      );
    }
  }

  /** Ends a pause, however long it was meant to be. */
  resume(): void {
    if (this.#state !== ProcessState.Paused) {
      return;
    }
    this.#state = ProcessState.Running;
    this.#resumeTimeNs = 0;
    const deferred = this.#deferred;
    this.#deferred = [];
    const world = this.node.world;
    for (const event of deferred) {
      event.isDeferred = false;
      if (event.kind === EventKind.Turn) {
        world.pushTurn(event, world.nowNs);
      } else {
        world.push(event, world.nowNs);
      }
    }
  }

  /** Resumes when the last pause is over. */
  resumeWhenDue(): void {
    if (this.node.world.nowNs >= this.#resumeTimeNs) {
      this.resume();
    }
  }

  defer(event: WorldEvent): void {
    event.isDeferred = true;
    this.#deferred.push(event);
  }

  /**
   * Ends the process just before its effect number `count` from now (1 is the next one). An effect
   * is a datagram sent or a storage operation submitted: this is a crash between two effects.
   */
  endBeforeEffect(count: number, kind: EndKind): void {
    assert(count >= 1, `an effect number, ${count}, counts from 1`);
    this.#effectsLeft = count;
    this.#endKind = kind;
  }

  /** Called by the ports before each effect. Throws the signal when the process ends here. */
  beforeEffect(): void {
    if (this.#state === ProcessState.Ended) {
      throw new ProcessEndedSignal();
    }
    this.#effectsLeft--;
    if (this.#effectsLeft <= 0) {
      this.node.end(this.#endKind);
      throw new ProcessEndedSignal();
    }
  }

  /** Runs code of the process: a failure ends the process and is reported to the node. */
  guard(code: () => void): void {
    try {
      code();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends the process because its code threw; the signal of its own end is no failure. */
  fail(error: unknown): void {
    if (error instanceof ProcessEndedSignal && this.isEnded) {
      return;
    }
    if (!this.isEnded) {
      this.node.end(EndKind.Kill);
    }
    if (this.node.onFatal === undefined) {
      throw error;
    }
    this.node.onFatal(this, error);
  }

  /** Closes all agents, the last one first. */
  closeAgents(): void {
    for (const thread of [...this.threads].reverse()) {
      this.guard(() => thread.closeAgents());
    }
  }

  /** Recomputes all wake-ups, after the clock's rate has changed. */
  rearm(): void {
    for (const thread of this.threads) {
      thread.rearm();
    }
  }

  /** Drops everything that was going to happen. Called by the node when the process ends. */
  release(): void {
    this.#state = ProcessState.Ended;
    this.#deferred = [];
    for (const thread of this.threads) {
      thread.release();
    }
  }
}

const RESUME_ACTION: EventAction = {
  runEvent(event: WorldEvent): void {
    (event.subject as VirtualProcess).resumeWhenDue();
  },
};

/** Agents that share duty cycles and ports. */
export class VirtualThread implements EventAction {
  readonly process: VirtualProcess;
  readonly name: string;
  readonly ports: VirtualPorts;
  #agents: readonly Agent[] = [];
  readonly #turn: WorldEvent;
  /** The thread computes, or stalls, until here. */
  #busyUntilNs = 0;
  #lastTurnNs = -1;
  #sameInstantTurns = 0;

  constructor(process: VirtualProcess, name: string) {
    this.process = process;
    this.name = name;
    const { node } = process;
    this.#turn = new WorldEvent(EventKind.Turn, this, undefined, node.id, process);
    const random = process.random.fork(name);
    this.ports = {
      clock: process.clock,
      network: node.world.network.portOf(this),
      storage: new VirtualStorage(this, node.disk, random.fork('storage')),
      entropy: new VirtualEntropy(random.fork('entropy')),
    };
  }

  get agents(): readonly Agent[] {
    return this.#agents;
  }

  /** Builds the agents. Called once, by the process. */
  begin(factory: AgentFactory): void {
    this.#agents = factory(this.ports, this);
    this.wake();
  }

  /** Asks for a turn at this instant, or as soon as the thread is free. */
  wake(): void {
    this.#requestTurn(this.process.node.world.nowNs);
  }

  /** Keeps the thread busy for a while, as a long callback or a garbage collection does. */
  stall(durationNs: number): void {
    const untilNs = this.process.node.world.nowNs + durationNs;
    if (untilNs > this.#busyUntilNs) {
      this.#busyUntilNs = untilNs;
    }
    const { world } = this.process.node;
    if (this.#turn.heapIndex >= 0 && this.#turn.timeNs < this.#busyUntilNs) {
      world.cancel(this.#turn);
      world.pushTurn(this.#turn, this.#busyUntilNs);
    }
  }

  /** One turn: a duty cycle of every agent. */
  runEvent(_event: WorldEvent): void {
    const { world, turnCostNs } = this.process.node;
    this.#busyUntilNs = world.nowNs + turnCostNs;
    try {
      this.#countTurn(world.nowNs);
      const workCount = this.#doWork();
      world.trace.addWord(workCount);
      if (workCount > 0) {
        this.#requestTurn(this.#busyUntilNs);
      } else {
        this.rearm();
      }
    } catch (error) {
      this.process.fail(error);
    }
  }

  /** Asks for the turn at which the earliest deadline is due. */
  rearm(): void {
    if (this.process.isEnded) {
      return;
    }
    const { world } = this.process.node;
    let deadlineNs = Number.POSITIVE_INFINITY;
    for (const agent of this.#agents) {
      deadlineNs = Math.min(deadlineNs, agent.deadlineNs());
    }
    const timeNs = this.process.clock.worldNsAt(deadlineNs);
    if (timeNs > WORLD_TIME_NS_MAX) {
      return;
    }
    this.#requestTurn(timeNs > world.nowNs ? timeNs : world.nowNs + IDLE_TURN_NS);
  }

  closeAgents(): void {
    for (const agent of [...this.#agents].reverse()) {
      agent.close();
    }
  }

  release(): void {
    this.process.node.world.cancel(this.#turn);
    this.#agents = [];
  }

  #doWork(): number {
    const nowNs = this.process.clock.nowNs();
    let workCount = 0;
    for (const agent of this.#agents) {
      workCount += agent.doWork(nowNs);
      if (this.process.isEnded) {
        break;
      }
    }
    return workCount;
  }

  /** Keeps at most one turn in the heap: the earliest that was asked for. */
  #requestTurn(wantedNs: number): void {
    if (this.process.isEnded || this.#turn.isDeferred) {
      return;
    }
    const { world } = this.process.node;
    const timeNs = Math.max(wantedNs, this.#busyUntilNs);
    if (this.#turn.heapIndex >= 0) {
      if (this.#turn.timeNs <= timeNs) {
        return;
      }
      world.cancel(this.#turn);
    }
    world.pushTurn(this.#turn, timeNs);
  }

  #countTurn(nowNs: number): void {
    if (nowNs !== this.#lastTurnNs) {
      this.#lastTurnNs = nowNs;
      this.#sameInstantTurns = 0;
    }
    this.#sameInstantTurns++;
    if (this.#sameInstantTurns > SAME_INSTANT_TURNS_MAX) {
      const roles = this.#agents.map((agent) => agent.roleName).join(', ');
      throw new InvariantError(
        `thread ${this.name} (${roles}) comes to rest within ${SAME_INSTANT_TURNS_MAX} turns`,
      );
    }
  }
}
