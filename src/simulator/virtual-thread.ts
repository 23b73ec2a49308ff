// virtual-thread.ts: agents that share duty cycles and ports, as an event loop or a worker has
// them.
//
// A thread takes a turn when a datagram or a completion is ready for it, when another thread wakes
// it and when the earliest deadline of its agents has come; it repeats turns while they do work, as
// the production loop does.

import { InvariantError } from '../assert.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import type { Network } from '../ports/network.js';
import type { Storage } from '../ports/storage.js';
import { type EventAction, EventKind, WORLD_TIME_NS_MAX, WorldEvent } from './event-heap.js';
import { VirtualEntropy } from './virtual-entropy.js';
import type { VirtualProcess } from './virtual-process.js';
import { VirtualStorage } from './virtual-storage.js';

/** Turns that a thread may take at one instant; more of them mean that it never comes to rest. */
export const SAME_INSTANT_TURNS_MAX = 10_000;
/** Time that passes when a deadline is due and the turn did nothing about it. */
const IDLE_TURN_NS = 1_000;
/** Such turns in a row; more of them are a busy wait, which an idle node must not do. */
export const IDLE_DUE_TURNS_MAX = 200;

/** Everything that a thread can reach of the outside. */
export interface VirtualPorts {
  readonly clock: Clock;
  readonly network: Network;
  readonly storage: Storage;
  readonly entropy: Entropy;
}

/** Builds the agents of a thread, in the order of their duty cycles. */
export type AgentFactory = (ports: VirtualPorts, thread: VirtualThread) => readonly Agent[];

/** Agents that share duty cycles and ports. */
export class VirtualThread implements EventAction {
  readonly process: VirtualProcess;
  readonly name: string;
  readonly ports: VirtualPorts;
  /** Its agents are at work. Stays so when one of them throws: that ends the process. */
  isInTurn = false;
  #agents: readonly Agent[] = [];
  readonly #turn: WorldEvent;
  readonly #storage: VirtualStorage;
  /** The thread computes, or stalls, until here. */
  #busyUntilNs = 0;
  #lastTurnNs = -1;
  #sameInstantTurns = 0;
  #idleDueTurns = 0;

  constructor(process: VirtualProcess, name: string) {
    this.process = process;
    this.name = name;
    const { node } = process;
    this.#turn = new WorldEvent(EventKind.Turn, this, undefined, node.id, process);
    const random = process.random.fork(name);
    this.#storage = new VirtualStorage(this, node.disk, random.fork('storage'));
    this.ports = {
      clock: process.clock,
      network: node.world.network.portOf(this),
      storage: this.#storage,
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

  /** Ends a stall. */
  resume(): void {
    this.#busyUntilNs = this.process.node.world.nowNs;
    this.wake();
  }

  /** One turn: a duty cycle of every agent. */
  runEvent(_event: WorldEvent): void {
    const { world, turnCostNs } = this.process.node;
    this.#busyUntilNs = world.nowNs + turnCostNs;
    try {
      this.#countTurn(world.nowNs);
      const workCount = this.#doWork();
      world.trace.addWord(workCount);
      // What completed within the turn, and was not polled any more, is input as any other.
      if (workCount > 0 || this.#storage.takeWake()) {
        this.#idleDueTurns = 0;
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
    if (timeNs > world.nowNs) {
      this.#idleDueTurns = 0;
      this.#requestTurn(timeNs);
    } else {
      this.#countIdleTurn();
      this.#requestTurn(world.nowNs + IDLE_TURN_NS);
    }
  }

  #countIdleTurn(): void {
    this.#idleDueTurns++;
    if (this.#idleDueTurns > IDLE_DUE_TURNS_MAX) {
      throw new InvariantError(
        `thread ${this.name} sleeps: ${IDLE_DUE_TURNS_MAX} turns in a row had a deadline that ` +
          `was due and did nothing (${this.#describeDue()})`,
      );
    }
  }

  #describeDue(): string {
    const nowNs = this.process.clock.nowNs();
    const due = this.#agents.filter((agent) => agent.deadlineNs() <= nowNs);
    return due.map((agent) => agent.roleName).join(', ');
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
    this.isInTurn = true;
    for (const agent of this.#agents) {
      workCount += agent.doWork(nowNs);
      if (this.process.isEnded) {
        break;
      }
    }
    this.isInTurn = false;
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
